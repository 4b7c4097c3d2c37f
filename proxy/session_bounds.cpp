// What a session may hold, and for how long.
#include <algorithm>
#include <ctime>
#include <utility>

#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {
namespace {

// How long a session that idles keeps its buffers for what may come next.
constexpr std::chrono::milliseconds kKeepBuffers{200};
// How long a client has to see that we have ended.
constexpr std::chrono::seconds kLinger{2};

}  // namespace

bool Session::of_stranger(const Phase& phase) {
  return std::holds_alternative<Handshaking>(phase) || std::holds_alternative<Unidentified>(phase) ||
         std::holds_alternative<Delayed>(phase) || std::holds_alternative<LoggingIn>(phase);
}

void Session::Stranger::set(bool is) {
  if (std::exchange(is_, is) != is) worker_.count_stranger(is);
}

void Session::reached(Bound bound) const {
  worker_.reached(bound, peer_, user_name());
}

void Session::close_at(Bound bound) {
  reached(bound);
  close_now(Ending::Bound);
}

void Session::account() {
  input_.release_if_empty(transport_.kept_bytes());
  const std::size_t windows = windows_ ? windows_->keys.size() : 0;
  const std::size_t holds = input_.size() + waiting_output() + windows;
  worker_.hold(std::exchange(held_, holds), holds);
}

void Session::watch_writing(std::size_t taken) {
  const conf::Config& config = worker_.config();
  const auto least =
      std::max<std::size_t>(1, config.limits.write_bytes_per_second *
                                   static_cast<std::size_t>(config.timeouts.write.count()) / 1000);
  read_since_ += taken;
  if (unwritten_since_ && read_since_ < least) return;
  unwritten_since_ = worker_.now();
  read_since_ = 0;
}

std::optional<Bound> Session::overdue(Clock::time_point now) const {
  const conf::Timeouts& timeouts = worker_.config().timeouts;
  const auto past = [now](Clock::time_point since, std::chrono::milliseconds limit) {
    return limit.count() != 0 && now - since > limit;
  };
  if (in<Handshaking>() && past(phase_since_, timeouts.handshake)) return Bound::HandshakeTime;
  if ((in<Unidentified>() || logging_in()) && past(phase_since_, timeouts.login)) return Bound::LoginTime;
  if (unwritten_since_ && past(*unwritten_since_, timeouts.write))
    return read_since_ == 0 ? Bound::WriteTime : Bound::WriteRate;
  if (partial_since_ && past(*partial_since_, timeouts.request)) return Bound::RequestTime;
  if (idle() && past(last_active_, timeouts.idle)) return Bound::IdleTime;
  return std::nullopt;
}

Clock::time_point Session::tick(Clock::time_point now) {
  if (closed_) return now;
  if (attested_ && std::time(nullptr) >= attested_->expires) {
    audit(AuditEvent::Kind::Revoked, serving() != nullptr ? user_name() : std::string_view{},
          "its certificate has expired");
    worker_.log().info(
        "session_revoked",
        {{"user", user_name()}, {"peer", auth::format(peer_)}, {"reason", "its certificate has expired"}});
    close_now(Ending::Revoked);
    return now;
  }
  if (has_expired()) {
    revoke();
    return now;
  }
  if (transport_.keeps_buffers() && now - last_active_ > kKeepBuffers && idle()) rest();
  if (in<Lingering>() && now - phase_since_ > kLinger) {
    close_now(Ending::Client);
  } else if (const auto bound = overdue(now)) {
    close_at(*bound);
  } else if (only_idles()) {
    const auto idle_for = worker_.config().timeouts.idle;
    return idle_for.count() != 0 ? last_active_ + idle_for : Clock::time_point::max();
  }
  return now;
}

}  // namespace mcgate::proxy
