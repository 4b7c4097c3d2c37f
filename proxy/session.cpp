#include "proxy/session.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>

#include "protocol/key.hpp"
#include "protocol/login.hpp"
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

Session::Session(Worker& worker, SessionId id, std::size_t listener, Fd fd, const auth::Peer& peer)
    : worker_{worker},
      id_{id},
      listener_{listener},
      peer_{peer},
      transport_{std::move(fd), worker.snapshot().tls[listener].context.get(), worker.tls_bio()},
      lets_all_pass_{this->listener().auth != conf::AuthMode::Required},
      stranger_{worker},
      phase_since_{worker.now()},
      last_active_{worker.now()} {
  read_event_ = make_event<&Session::on_readable>(worker.base(), transport_.fd(), EV_READ | EV_PERSIST, this);
  if (this->listener().is_for_proxies()) transport_.expect_preface(peer);
}

void Session::start() {
  stranger_.set(true);
  if (transport_.established()) on_established();
  watch_for_input();
}

Session::~Session() = default;

const conf::Listener& Session::listener() const {
  return worker_.config().listeners[listener_];
}

bool Session::is_anonymous_listener() const {
  return !auth::anonymous_user(listener(), peer_).empty();
}

bool Session::may_send_password() const {
  return transport_.tls() != nullptr || peer_.is_local() || listener().insecure_passwords;
}

Session::Serving* Session::serving() {
  if (auto* streaming = std::get_if<Streaming>(&phase_)) return &streaming->serving;
  if (auto* draining = std::get_if<Draining>(&phase_)) return draining->whose ? &*draining->whose : nullptr;
  return std::get_if<Serving>(&phase_);
}

const Session::Serving* Session::serving() const {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): the same, for those who only look
  return const_cast<Session*>(this)->serving();
}

const auth::Policy* Session::policy() const {
  const Serving* somebody = serving();
  return somebody != nullptr ? somebody->user->policy.get() : nullptr;
}

std::string_view Session::user_name() const {
  const Serving* somebody = serving();
  return somebody != nullptr && !somebody->identity.user.empty() ? std::string_view{somebody->identity.user}
                                                                 : "-";
}

std::string_view Session::name_space() const {
  const Serving* somebody = serving();
  return somebody != nullptr ? std::string_view{somebody->user->name_space} : std::string_view{};
}

void wipe_in_place(std::string_view message) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): parsers view our buffers as constant
  OPENSSL_cleanse(const_cast<char*>(message.data()), message.size());
}

void Session::become(Phase next) {
  // A log-in's time runs on through its messages and its failures.
  const auto nobody = [](const Phase& phase) {
    return std::holds_alternative<Unidentified>(phase) || std::holds_alternative<Delayed>(phase) ||
           std::holds_alternative<LoggingIn>(phase);
  };
  if (!(nobody(phase_) && nobody(next))) phase_since_ = worker_.now();
  stranger_.set(of_stranger(next));
  phase_ = std::move(next);
}

// --- bytes in

void Session::on_readable() {
  if (closed_) return;
  if (in<Handshaking>() && !worker_.may_shake_hands()) return;  // it is asked again next turn
  const bool stranger = policy() == nullptr;
  const std::size_t read_size = stranger ? kStrangerBytes : Transport::kReadBytes;
  const auto [bytes, state] = transport_.read(worker_.raw(), worker_.plain(), read_size);
  if (in<Lingering>()) {
    if (state != Transport::State::Open) close_now(Ending::Client);
    return;
  }
  // There may be a password in it, whose place is not here. One that comes whole is wiped when it is taken.
  const bool secret = stranger || login_may_wait();
  last_active_ = worker_.now();
  worker_.look_at(id_);
  if (in<Serving>() && reads_served_ < kBusyReads) {
    ++reads_served_;
    if (reads_served_ == kBusyReads) transport_.keep_buffers();
  }
  if (const auto client = transport_.take_client()) on_client_known(*client);
  if (!closed_ && in<Handshaking>() && transport_.established()) on_established();
  worker_.counters().add<Metric::BytesReceived>(bytes.size());
  if (!closed_ && !bytes.empty()) take(bytes);
  if (secret || closed_ || login_may_wait()) wipe_in_place(bytes);
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

// A stream that ends when nobody listens any more; a dump comes to its end by itself.
bool Session::in_endless_stream() const {
  const auto* streaming = std::get_if<Streaming>(&phase_);
  return streaming != nullptr && streaming->caller.command == protocol::Command::Watch;
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
    const bool stranger = policy() == nullptr;
    const std::string_view rest = fresh.substr(serve(fresh));
    if (closed_ || rest.empty()) return;
    // Room for any log-in at once: a string that grows leaves copies behind.
    if (stranger || may_be_login(rest)) input_.expect(2 * kStrangerBytes);
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
      used = input.size();  // nobody will look at it
      break;
    }
    if (!can_serve() || (windows_ && !send_window(*windows_))) {
      if (queue_.load() >= worker_.snapshot().keys_in_flight)
        worker_.counters().add<Metric::BoundHits>(1, Bound::RequestsInFlight);
      held_back_ = true;
      break;
    }
    if (windows_) continue;
    if (swallow_ > 0) {
      const std::size_t skipped = std::min(swallow_, input.size() - used);
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
    return in<Draining>() ? input.size() : broken->consumed;
  }
  const std::size_t consumed = std::get<protocol::Parsed>(result).consumed;
  if (!on_request(request, consumed)) {
    held_back_ = true;
    return 0;
  }
  had_request_ = true;
  return consumed;
}

// --- bytes out, and the end

void Session::watch_for_input() {
  // A stream's client and one that has been told all are read from only to learn when they leave.
  const bool listens = in<Lingering>() || in<Streaming>() || (!held_back_ && !in<Draining>());
  const bool open = input_state_ == Input::Open || (input_state_ == Input::Stopped && in<Lingering>());
  const bool wanted = open && !closed_ && listens;
  if (wanted == reading_) return;
  reading_ = wanted;
  if (wanted) {
    add_event(read_event_);
  } else {
    event_del(read_event_.get());
  }
}

void Session::flush() {
  if (closed_ || !write()) return;
  if (held_back_ && can_serve()) {
    const std::size_t read = input_.size();
    const std::size_t written = output_.size();
    resume();
    if (closed_) return;
    // What it brought is written in another round.
    if (input_.size() != read || output_.size() != written) worker_.mark(id_);
  }
  const bool all_asked = input_state_ != Input::Open && !held_back_;
  if (all_asked && !logging_in() && !in<Streaming>())
    close_after_answers(input_state_ == Input::Ended ? Ending::Client : Ending::Stopping);
  if (auto* streaming = std::get_if<Streaming>(&phase_))
    streaming->link->set_reading(output_.size() < kOutputHighWater);
  if (in<Draining>() && !unwritten_since_ && output_.empty() && queue_.in_flight() == 0) {
    linger();
    if (closed_) return;
  }
  input_.release_if_empty(transport_.kept_bytes());
  account();
  watch_for_input();
}

bool Session::write() {
  const std::size_t before = output_.size();
  const std::size_t waited = waiting_output();
  if (!transport_.write(output_)) {
    log_lost_client();
    close_now(Ending::Lost);
    return false;
  }
  if (output_.size() < before) {
    worker_.counters().add<Metric::BytesSent>(before - output_.size());
    last_active_ = worker_.now();
  }
  const std::size_t waits = waiting_output();
  if (waits == 0) {
    unwritten_since_.reset();
  } else {
    watch_writing(waited - std::min(waited, waits));
    if (!write_event_)
      write_event_ = make_event<&Session::on_writable>(worker_.base(), transport_.fd(), EV_WRITE, this);
    add_event(write_event_);
  }
  return true;
}

void Session::linger() {
  become(Lingering{});
  transport_.end();
  if (!transport_.write(output_) || input_state_ == Input::Ended) {
    close_now(Ending::Client);
    return;
  }
  transport_.half_close();
}

void Session::close_after_answers(Ending why) {
  if (in<Draining>() || in<Lingering>() || closed_) return;
  if (in<Streaming>()) {
    close_now(why);
    return;
  }
  ending_ = why;
  auto* somebody = std::get_if<Serving>(&phase_);
  become(Draining{somebody != nullptr ? std::optional{std::move(*somebody)} : std::nullopt});
  held_back_ = false;
  worker_.mark(id_);
}

void Session::close_now(Ending why) {
  if (closed_) return;
  closed_ = true;
  worker_.counters().add<Metric::SessionsClosed>(1, ending_.value_or(why));
  stranger_.set(false);
  worker_.hold(std::exchange(held_, 0), 0);
  read_event_.reset();
  write_event_.reset();
  if (in<Streaming>()) worker_.end_lease(id_);
  worker_.bury(id_);
}

void Session::drain() {
  if (in<Handshaking>() || logging_in() || in_endless_stream()) {
    close_now(Ending::Stopping);
    return;
  }
  if (input_state_ == Input::Open) input_state_ = Input::Stopped;
  watch_for_input();
  worker_.mark(id_);
}

bool Session::idle() const {
  const bool waits = in<Streaming>() || logging_in() || held_back_;
  return !waits && queue_.in_flight() == 0 && output_.empty() && !transport_.pending();
}

// Nothing but timeouts.idle_seconds can end it: a certificate's end, and a secret's, is told by another
// clock, which may be set.
bool Session::only_idles() const {
  return in<Serving>() && idle() && !attested_ && !can_expire() && !transport_.keeps_buffers() &&
         !partial_since_;
}

void Session::rest() {
  reads_served_ = 0;
  transport_.release_buffers();
  input_.release_if_empty(0);
  output_.release_if_empty(0);
  worker_.shared().rested.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace mcgate::proxy
