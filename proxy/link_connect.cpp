// How a link comes up, and comes back: connecting, the probe, and what is waited between attempts.
#include <algorithm>
#include <cstring>
#include <utility>

#include "proxy/link.hpp"
#include "proxy/socket.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {
namespace {

using std::chrono::milliseconds;

// Reconnecting: at once, then after 50 ms, doubling to a second, each a quarter more or less. Not at once
// when the link is lost as soon as it is up: a memcached that greets and hangs up would be called without
// end.
constexpr milliseconds kFirstBackoff{50};
constexpr milliseconds kLastBackoff{1000};

template <typename... Ts>
struct Overload : Ts... {
  using Ts::operator()...;
};

}  // namespace

void Link::connect() {
  began_ = worker_.now();
  worker_.counters().add<Metric::UpstreamConnects>(1, link_protocol(dialect_));
  auto fd = start_connect(worker_.config().upstream.address);
  if (!fd) {
    fail(LinkFailure::Connect, fd.error());
    return;
  }
  fd_ = std::move(*fd);
  state_ = State::Connecting;
  read_event_ = make_event<&Link::on_readable>(worker_.base(), fd_.get(), EV_READ | EV_PERSIST, this);
  write_event_ = make_event<&Link::on_writable>(worker_.base(), fd_.get(), EV_WRITE, this);
  add_event(write_event_);
}

void Link::on_retry() {
  connect();
}

void Link::start_probe() {
  if (const int error = connect_result(fd_.get()); error != 0) {
    fail(LinkFailure::Connect, std::strerror(error));
    return;
  }
  state_ = State::Probing;
  output_.append(dialect_ == protocol::Dialect::Binary ? protocol::binary_probe() : protocol::kTextProbe);
  add_event(read_event_);
  mark();
}

std::optional<std::size_t> Link::read_probe(std::string_view input) {
  return std::visit(Overload{
                        [](const protocol::ProbeNeedsMore&) { return std::optional<std::size_t>{0}; },
                        [this](const protocol::ProbeFailed& failed) -> std::optional<std::size_t> {
                          fail(LinkFailure::Connect, "the probe was answered with: " + failed.text);
                          return std::nullopt;
                        },
                        [this, input](const protocol::ProbeAnswer& answer) -> std::optional<std::size_t> {
                          if (answer.consumed != input.size()) {
                            fail(LinkFailure::Connect, "more than the probe asked for was answered");
                            return std::nullopt;
                          }
                          const std::size_t consumed = answer.consumed;
                          become_ready(answer);
                          return state_ == State::Ready ? std::optional{consumed} : std::nullopt;
                        },
                    },
                    protocol::read_probe(dialect_, input));
}

void Link::become_ready(const protocol::ProbeAnswer& answer) {
  if (lessee_ && answer.version != version_) {
    fail(LinkFailure::Connect, "the backend's version has changed");
    return;
  }
  state_ = State::Ready;
  reading_ = true;
  tried_ = true;
  ready_since_ = worker_.now();
  version_ = answer.version;
  if (serves_all()) worker_.counters().add<Metric::UpstreamLinks>(1, link_protocol(dialect_));
  if (!lessee_) {
    if (!std::exchange(was_up_, true) || version_text_ != answer.text)
      worker_.log().info("upstream_up", {{"worker", worker_.number()},
                                         {"dialect", dialect_name()},
                                         {"values", use_name()},
                                         {"address", conf::format(worker_.config().upstream.address)},
                                         {"version", answer.text}});
    version_text_ = answer.text;
    return;
  }
  Pending& pending = pending_.push();
  pending.session = *lessee_;
  pending.keys = 1;
  pending.begins_at = written_ + output_.size();
  pending.sent_at = worker_.now();
  pending.expected = leased_expected_;
  output_.append(leased_request_);
  mark();
}

// A line when it is lost, and one for each new reason why it does not come back.
void Link::log_down(std::string_view reason) {
  const bool was_known_down = state_ != State::Ready && tried_;
  if (was_known_down && reason == down_reason_) return;
  down_reason_ = reason;
  worker_.log().warning(was_known_down ? "upstream_still_down" : "upstream_down",
                        {{"worker", worker_.number()},
                         {"dialect", dialect_name()},
                         {"values", use_name()},
                         {"address", conf::format(worker_.config().upstream.address)},
                         {"reason", reason},
                         {"waiting", pending_.size()}});
}

void Link::begin_backoff() {
  backoff_ = worker_.now() - ready_since_ > kFirstBackoff ? milliseconds{0} : kFirstBackoff;
}

void Link::schedule_retry() {
  // 75 to 125: links that failed together come back apart, for which the clock's last digits will do.
  const auto percent = 75 + Clock::now().time_since_epoch().count() % 51;
  const auto wait = milliseconds{backoff_.count() * percent / 100};
  backoff_ = backoff_.count() == 0 ? kFirstBackoff : std::min(backoff_ * 2, kLastBackoff);
  const timeval span = to_timeval(wait);
  add_event(retry_event_, &span);
}

}  // namespace mcgate::proxy
