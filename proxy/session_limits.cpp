// What a session's user may take, beyond what the parsers know.
#include <chrono>

#include "protocol/ttl.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {

using protocol::Refusal;

bool Session::serve_as(auth::Identity identity, const auth::User& user) {
  auto connected = auth::Connected::take(worker_.shared().usages.of(user.name), user.limits.connections);
  if (!connected) {
    worker_.reached(Bound::Connections, peer_, user.name);
    audit(AuditEvent::Kind::Limited, user.name, name(Bound::Connections));
    become(Unidentified{.exchange = {}, .full = true});
    return false;
  }
  become(Serving{std::move(identity), &user, *std::move(connected)});
  return true;
}

std::optional<Session::Exceeded> Session::exceeded(protocol::Request& request,
                                                   const Serving& somebody) const {
  const conf::UserLimits& limits = somebody.user->limits;
  auth::Usage& usage = somebody.connected.usage();
  if (limits.ttl_seconds) {
    using std::chrono::system_clock;
    const protocol::TtlBound bound{
        .seconds = static_cast<std::int32_t>(*limits.ttl_seconds),
        .cap = limits.on_long_ttl.value_or(conf::LongTtl::Cap) == conf::LongTtl::Cap};
    if (!protocol::keep_ttl(request, bound, system_clock::to_time_t(system_clock::now())))
      return Exceeded{Bound::Ttl, Refusal::TtlLimit};
  }
  if (limits.requests && !usage.requests.has(*limits.requests, 1, worker_.now()))
    return Exceeded{Bound::Requests, Refusal::RequestsLimit};
  // What the reply will come to is not known yet: it is owed, and nothing more is had until that is made up
  // for.
  if (limits.bytes && !usage.bytes.has(*limits.bytes, 1, worker_.now()))
    return Exceeded{Bound::Bytes, Refusal::BytesLimit};
  return std::nullopt;
}

bool Session::carry_out_metered(Action action, protocol::Request& request, std::size_t bytes) {
  // Counted when it has gone: one that is held back is judged again.
  auth::Usage& usage = serving()->connected.usage();
  const conf::UserLimits& limits = serving()->user->limits;
  if (!carry_out(action, request)) return false;
  if (limits.requests) usage.requests.take(*limits.requests, 1, worker_.now());
  if (limits.bytes) usage.bytes.take(*limits.bytes, bytes, worker_.now());
  return true;
}

void Session::charge_reply(std::size_t bytes) {
  const Serving* somebody = serving();
  if (somebody == nullptr || !somebody->user->limits.bytes) return;
  somebody->connected.usage().bytes.take(*somebody->user->limits.bytes, bytes, worker_.now());
}

}  // namespace mcgate::proxy
