#include "auth/identity.hpp"

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

}  // namespace mcgate::auth
