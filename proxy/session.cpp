#include "proxy/session.hpp"

#include <openssl/crypto.h>

#include <utility>

#include "proxy/worker.hpp"

namespace mcgate::proxy {

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

// --- bytes out, and the end

void Session::watch_for_input() {
  // A stream's client and one that has been told all are read from only to learn when they leave.
  const bool may_go_on = !held_back_ && !in<Draining>() && !awaits_step_;
  const bool listens = in<Lingering>() || in<Streaming>() || may_go_on;
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
