// Who a session is, and where it comes from.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "conf/config.hpp"
#include "conf/network.hpp"

namespace mcgate::auth {

// Whose the process at the other end of a Unix socket is, as the kernel says.
struct UnixOwner {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

// Where a client is: its address, or a Unix socket.
struct Peer {
  bool unix_socket = false;
  conf::IpAddress ip = {};
  std::uint16_t port = 0;
  std::optional<UnixOwner> owner = {};
  // A proxy said so: it is `ip` that it speaks for, or somebody whose address it cannot say (`ip` is then the
  // proxy's own, or none of a Unix socket).
  bool proxied = false;

  // Nothing on the wire between it and us: passwords need no TLS. How a client came to a proxy nobody knows.
  bool is_local() const { return !proxied && (unix_socket || ip.is_loopback()); }
  // It came through a Unix socket by itself.
  bool has_no_address() const { return unix_socket && !proxied; }
};
// Whether it is in one of the networks; any is if there are none. Networks judge addresses: who comes through
// a Unix socket was judged by its permissions, unless it is a proxy that came.
bool admits(std::span<const conf::Network> networks, const Peer& peer);
// "10.0.0.1:4711", "[fd00::1]:4711" or "unix".
std::string format(const Peer& peer);

// The user whose rights a client from there has that does not log in; empty: none. Of several networks that
// hold its address the smallest counts.
const std::string& anonymous_user(const conf::Listener& listener, const Peer& peer);

enum class Proof : std::uint8_t {
  Anonymous,
  Text,
  Plain,
  ScramSha256,
  ScramSha512,
  ScramSha256Plus,
  ScramSha512Plus,
  Certificate,
  UnixPeer,
};
std::string_view name(Proof proof);
// SCRAM is two mechanisms for each hash: -PLUS is bound to the TLS connection that it runs in, and to no
// other. Both functions leave what is none of SCRAM's as it is.
Proof bound(Proof proof);
Proof unbound(Proof proof);
inline bool is_bound(Proof proof) {
  return unbound(proof) != proof;
}
inline bool is_scram(Proof proof) {
  return unbound(proof) != bound(proof);
}
// What a SASL mechanism proves, its name compared without case; none if it is none of ours.
std::optional<Proof> proof_by(std::string_view mechanism);
// Whether it was given by connecting, before a word was said: by no password, and for the whole connection.
bool by_connecting(Proof proof);
// The SASL mechanism that asks for just that; its name is compared without case.
inline constexpr std::string_view kExternal = "EXTERNAL";
bool is_external(std::string_view mechanism);

struct Identity {
  std::string user;
  Proof proof = Proof::Anonymous;
  std::string secret = {};  // id of the one that proved it; empty if none did
};

}  // namespace mcgate::auth
