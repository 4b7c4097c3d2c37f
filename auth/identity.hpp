// Who a session is, and where it comes from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "conf/network.hpp"

namespace mcgate::auth {

// Where a client is: its address, or a Unix socket.
struct Peer {
  bool unix_socket = false;
  conf::IpAddress ip;
  std::uint16_t port = 0;

  // Nothing on the wire between it and us: passwords need no TLS.
  bool is_local() const { return unix_socket || ip.is_loopback(); }
};
// "10.0.0.1:4711", "[fd00::1]:4711" or "unix".
std::string format(const Peer& peer);

enum class Proof : std::uint8_t { Anonymous, Text, Plain, ScramSha256, ScramSha512, Certificate };
std::string_view name(Proof proof);
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
};

}  // namespace mcgate::auth
