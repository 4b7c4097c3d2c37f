// Where a client is, as far as that tells one client from another: an IPv4 address, an IPv6 /64, which is
// what one customer has, or the user whose process is at the other end of a Unix socket. What each may have
// of something that all share is counted by it. A value; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "auth/identity.hpp"

namespace mcgate::auth {

class PeerPlace {
 public:
  explicit PeerPlace(const Peer& peer);

  // What it is hashed by: no other place has the same.
  std::array<char, 9> bytes() const;
  friend bool operator==(const PeerPlace&, const PeerPlace&) = default;
  // Every bit counts in its first bits: addresses may differ in the last alone.
  struct Hash {
    std::size_t operator()(const PeerPlace& place) const;
  };

 private:
  enum class Kind : std::uint8_t {
    Ipv4,
    Ipv6,
    UnixUser,
    Unix,  // whoever a proxy there could not name
  };
  Kind kind_;
  std::uint64_t number_ = 0;  // the address, its first half, or the uid
};

}  // namespace mcgate::auth
