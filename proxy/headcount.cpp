#include "proxy/headcount.hpp"

namespace mcgate::proxy {

bool Headcount::enter(const auth::PeerPlace& place, std::size_t most) {
  Shard& shard = shard_of(place);
  const std::lock_guard lock{shard.mutex};
  std::size_t& sessions = shard.sessions[place];
  if (most != 0 && sessions >= most) return false;
  ++sessions;
  return true;
}

void Headcount::leave(const auth::PeerPlace& place) {
  Shard& shard = shard_of(place);
  const std::lock_guard lock{shard.mutex};
  const auto found = shard.sessions.find(place);
  if (found != shard.sessions.end() && --found->second == 0) shard.sessions.erase(found);
}

}  // namespace mcgate::proxy
