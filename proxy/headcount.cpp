#include "proxy/headcount.hpp"

#include <cstring>

namespace mcgate::proxy {

Headcount::Key Headcount::key_of(const conf::IpAddress& address) {
  // An IPv4 address is in the last four bytes, behind ten that are 0 and two that are 0xff.
  constexpr std::array<std::uint8_t, 12> kIpv4{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool is_ipv4 = std::memcmp(address.bytes.data(), kIpv4.data(), kIpv4.size()) == 0;
  Key key{is_ipv4, 0};
  std::memcpy(&key.bytes, address.bytes.data() + (is_ipv4 ? 8 : 0), sizeof key.bytes);
  return key;
}

bool Headcount::enter(const auth::Peer& peer, std::size_t most) {
  if (peer.unix_socket) return true;
  const Key key = key_of(peer.ip);
  Shard& shard = shard_of(key);
  const std::lock_guard lock{shard.mutex};
  std::size_t& sessions = shard.sessions[key];
  if (most != 0 && sessions >= most) return false;
  ++sessions;
  return true;
}

void Headcount::leave(const auth::Peer& peer) {
  if (peer.unix_socket) return;
  const Key key = key_of(peer.ip);
  Shard& shard = shard_of(key);
  const std::lock_guard lock{shard.mutex};
  const auto found = shard.sessions.find(key);
  if (found != shard.sessions.end() && --found->second == 0) shard.sessions.erase(found);
}

}  // namespace mcgate::proxy
