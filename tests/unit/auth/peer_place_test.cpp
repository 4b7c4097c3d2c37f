#include "auth/peer_place.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "tests/unit/auth/users.hpp"

namespace mcgate::auth {
namespace {

using test::peer;

Peer unix_peer(std::optional<std::uint32_t> uid, std::uint32_t gid = 0) {
  Peer made{.unix_socket = true};
  if (uid) made.owner = UnixOwner{*uid, gid};
  return made;
}

TEST_CASE("an IPv4 client is its address, an IPv6 client its /64, a Unix socket's its user") {
  Peer by_proxy = unix_peer(std::nullopt);  // that could not say for whom it speaks
  by_proxy.proxied = true;
  Peer elsewhere = peer("10.0.0.1");
  elsewhere.port = 1;
  elsewhere.proxied = true;
  const struct {
    Peer one;
    Peer other;
    bool same;
  } rows[] = {
      {peer("10.0.0.1"), elsewhere, true},
      {peer("10.0.0.1"), peer("10.0.0.2"), false},
      {peer("10.0.0.1"), peer("::ffff:10.0.0.1"), true},
      {peer("10.0.0.1"), peer("::ffff:10.0.0.2"), false},
      {peer("fd00:1:2:3::1"), peer("fd00:1:2:3:ffff:ffff:ffff:ffff"), true},
      {peer("fd00:1:2:3::1"), peer("fd00:1:2:4::1"), false},
      {peer("::1"), peer("::2"), true},
      {peer("::1"), peer("127.0.0.1"), false},
      {peer("::1"), peer("0.0.0.0"), false},
      {peer("0:ffff:a00:1::"), peer("10.0.0.1"), false},
      {unix_peer(1000), unix_peer(1000, 7), true},
      {unix_peer(1000), unix_peer(1001), false},
      {unix_peer(0), unix_peer(std::nullopt), false},
      {unix_peer(0), peer("::1"), false},
      {by_proxy, unix_peer(std::nullopt), true},
  };
  for (const auto& row : rows) {
    CAPTURE(format(row.one));
    CAPTURE(format(row.other));
    const PeerPlace one{row.one};
    const PeerPlace other{row.other};
    CHECK((one == other) == row.same);
    CHECK((one.bytes() == other.bytes()) == row.same);
    if (row.same) CHECK(PeerPlace::Hash{}(one) == PeerPlace::Hash{}(other));
  }
}

}  // namespace
}  // namespace mcgate::auth
