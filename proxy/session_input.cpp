// What a session reads, until it is a request.
#include <algorithm>
#include <utility>

#include "protocol/login.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {
namespace {

// What a client may send while a stream runs, before it is cut off.
constexpr std::size_t kAheadBytes = 65'536;
// What is read at once from someone who has not logged in, and what may wait for them to read it before they
// are asked for more: with a partial log-in message and TLS's own state (a record that has come whole
// included), all that a stranger can make us hold.
constexpr std::size_t kStrangerBytes = 4096;
// How often a session must have been read from before it keeps its buffers: many log in, ask once and idle,
// and what each of them frees late lies scattered over the heap, which never shrinks then.
constexpr std::uint8_t kBusyReads = 4;

}  // namespace

void Session::on_readable() {
  if (closed_) return;
  if (!in<Handshaking>()) return read();
  awaits_step_ = true;
  watch_for_input();
  worker_.await_handshake(id_);
}

void Session::shake_hands() {
  awaits_step_ = false;
  if (!closed_) read();
}

void Session::read() {
  const bool stranger = policy() == nullptr;
  const std::size_t read_size = stranger ? kStrangerBytes : Transport::kReadBytes;
  const auto [bytes, state] = transport_.read(worker_.raw(), worker_.plain(), read_size);
  if (in<Lingering>()) {
    wipe_in_place(bytes);
    if (state != Transport::State::Open) close_now(Ending::Client);
    return;
  }
  forgot_ = false;
  last_active_ = worker_.now();
  worker_.look_at(id_);
  if (queue_.used() && !bytes.empty()) worker_.note_service();
  if (in<Serving>() && reads_served_ < kBusyReads) {
    ++reads_served_;
    if (reads_served_ == kBusyReads) transport_.keep_buffers();
  }
  if (const auto client = transport_.take_client()) on_client_known(*client);
  if (!closed_ && in<Handshaking>() && transport_.established()) on_established();
  worker_.counters().add<Metric::BytesReceived>(bytes.size());
  if (!closed_ && !bytes.empty()) take(bytes);
  // There may be a password in it, whose place is not here.
  if (stranger || closed_ || forgot_ || login_may_wait()) wipe_in_place(bytes);
  if (closed_) return;
  if (state == Transport::State::Ended) {
    on_client_ended();
  } else if (state == Transport::State::Failed) {
    log_lost_client();
    transport_.write(output_);  // TLS's alert, if there is one
    close_now(Ending::Lost);
  } else if (input_.size() > kAheadBytes && in<Streaming>()) {
    close_at(Bound::Ahead);
  } else {
    if (!output_.empty() || transport_.pending()) worker_.mark(id_);
    account();
    watch_for_input();
  }
}

void Session::on_client_ended() {
  input_state_ = Input::Ended;
  watch_for_input();
  if (in<Handshaking>() || in_endless_stream()) {
    close_now(Ending::Client);
  } else {
    worker_.mark(id_);  // whatever it asked for whole is answered; see flush()
  }
}

void Session::on_writable() {
  if (!closed_) worker_.mark(id_);
}

void Session::take(std::string_view fresh) {
  if (input_.empty()) {
    const std::string_view rest = fresh.substr(serve(fresh));
    if (closed_ || rest.empty()) return;
    input_.append(rest);
  } else {
    input_.append(fresh);
    if (!held_back_) resume();
  }
  if (!closed_ && wanted_ > input_.size()) input_.expect(wanted_);
}

void Session::resume() {
  const bool stranger = policy() == nullptr;
  held_back_ = false;
  const std::size_t used = serve(input_.view());
  if (closed_) return;
  if (stranger) {
    input_.consume_and_wipe(used);
  } else {
    input_.consume(used);
  }
}

void Session::forget(std::string_view message) {
  wipe_in_place(message);
  forgot_ = true;
}

bool Session::can_serve() const {
  if (closed_) return false;
  // Nobody's requests go upstream, so what they are answered is all there can be.
  if (in<Unidentified>()) return output_.size() < kStrangerBytes && !transport_.pending();
  return in<Serving>() && output_.size() < kOutputHighWater && queue_.load() < window();
}

std::size_t Session::serve(std::string_view input) {
  std::size_t used = 0;
  while ((used < input.size() || windows_) && !closed_ && !held_back_) {
    if (in<Draining>() || in<Lingering>()) {
      forget(input.substr(used));  // nobody will look at it
      used = input.size();
      break;
    }
    if (!can_serve() || (windows_ && !send_window(*windows_))) {
      if (queue_.load() >= worker_.snapshot().keys_in_flight) reached(Bound::RequestsInFlight);
      held_back_ = true;
      break;
    }
    if (windows_) continue;
    if (swallow_ > 0) {
      const std::size_t skipped = std::min(swallow_, input.size() - used);
      forget(input.substr(used, skipped));  // it may be a log-in that was broken
      swallow_ -= skipped;
      used += skipped;
      continue;
    }
    const std::string_view rest = input.substr(used);
    if (rest.size() < wanted_) break;
    if (has_had_its_turn()) {
      held_back_ = true;
      break;
    }
    wanted_ = 0;
    const std::size_t taken = serve_one(rest);
    if (taken == 0) break;
    used += taken;
    partial_since_.reset();
  }
  const bool partial = swallow_ > 0 || (used < input.size() && !held_back_);
  if (!partial) {
    partial_since_.reset();
  } else if (!partial_since_) {
    partial_since_ = worker_.now();
  }
  return used;
}

protocol::ParseResult Session::parse(std::string_view input, protocol::Request& request,
                                     std::size_t searched) const {
  const auto* serving = std::get_if<Serving>(&phase_);
  const bool identified = serving != nullptr;
  const protocol::ParseLimits& limits =
      identified ? serving->user->parse_limits : protocol::kLimitsBeforeLogin;
  if (protocol_ == protocol::Dialect::Binary) return protocol::parse_binary(input, limits, request);
  return identified ? protocol::parse_text(input, limits, request, searched)
                    : protocol::parse_text_before_login(input, limits, request);
}

std::size_t Session::serve_one(std::string_view input) {
  const bool binary = input.front() == protocol::kBinaryMagic;
  if (!protocol_) protocol_ = binary ? protocol::Dialect::Binary : protocol::Dialect::Text;
  if (binary != (protocol_ == protocol::Dialect::Binary)) {
    // memcached fixes a connection's protocol at its first byte, and so do we.
    close_after_answers(Ending::Protocol);
    forget(input);
    return input.size();
  }
  protocol::Request& request = worker_.request();
  const protocol::ParseResult result = parse(input, request, std::exchange(searched_, 0));
  if (const auto* more = std::get_if<protocol::NeedMore>(&result)) {
    wanted_ = more->total;
    searched_ = more->searched;
    return 0;
  }
  if (const auto* broken = std::get_if<protocol::Broken>(&result)) {
    if (!on_broken(request, *broken)) {
      held_back_ = true;
      return 0;
    }
    had_request_ = true;
    swallow_ = broken->swallow;
    const std::string_view dropped = in<Draining>() ? input : input.substr(0, broken->consumed);
    forget(dropped);
    return dropped.size();
  }
  const std::size_t consumed = std::get<protocol::Parsed>(result).consumed;
  if (!on_request(request, consumed)) {
    held_back_ = true;
    return 0;
  }
  had_request_ = true;
  return consumed;
}

}  // namespace mcgate::proxy
