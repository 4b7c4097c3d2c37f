#include "auth/peer_place.hpp"

#include <cstring>

namespace mcgate::auth {

PeerPlace::PeerPlace(const Peer& peer) : kind_{Kind::Unix} {
  if (peer.unix_socket) {
    if (!peer.owner) return;
    kind_ = Kind::UnixUser;
    number_ = peer.owner->uid;
    return;
  }
  const bool is_ipv4 = peer.ip.is_ipv4();
  kind_ = is_ipv4 ? Kind::Ipv4 : Kind::Ipv6;
  std::memcpy(&number_, peer.ip.bytes.data() + (is_ipv4 ? 8 : 0), sizeof number_);
}

std::array<char, 9> PeerPlace::bytes() const {
  std::array<char, 9> bytes{static_cast<char>(kind_)};
  static_assert(bytes.size() == 1 + sizeof number_);
  std::memcpy(&bytes[1], &number_, sizeof number_);
  return bytes;
}

std::size_t PeerPlace::Hash::operator()(const PeerPlace& place) const {
  return (place.number_ + static_cast<std::uint64_t>(place.kind_)) * 0x9e37'79b9'7f4a'7c15U;
}

}  // namespace mcgate::auth
