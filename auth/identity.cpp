#include "auth/identity.hpp"

#include <strings.h>

#include <utility>

namespace mcgate::auth {

std::string format(const Peer& peer) {
  if (peer.unix_socket) return "unix";
  const auto address = conf::format(peer.ip);
  const auto port = ":" + std::to_string(peer.port);
  return address.contains(':') ? "[" + address + "]" + port : address + port;
}

std::string_view name(Proof proof) {
  switch (proof) {
    case Proof::Anonymous:
      return "anonymous";
    case Proof::Text:
      return "text";
    case Proof::Plain:
      return "PLAIN";
    case Proof::ScramSha256:
      return "SCRAM-SHA-256";
    case Proof::ScramSha512:
      return "SCRAM-SHA-512";
  }
  std::unreachable();
}

std::optional<Proof> proof_by(std::string_view mechanism) {
  for (const Proof proof : {Proof::Plain, Proof::ScramSha256, Proof::ScramSha512}) {
    const std::string_view known = name(proof);
    if (mechanism.size() == known.size() && strncasecmp(mechanism.data(), known.data(), known.size()) == 0)
      return proof;
  }
  return std::nullopt;
}

}  // namespace mcgate::auth
