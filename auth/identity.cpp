#include "auth/identity.hpp"

#include <strings.h>

#include <utility>

namespace mcgate::auth {
namespace {

bool same_mechanism(std::string_view said, std::string_view known) {
  return said.size() == known.size() && strncasecmp(said.data(), known.data(), known.size()) == 0;
}

}  // namespace

bool admits(std::span<const conf::Network> networks, const Peer& peer) {
  return (peer.unix_socket && !peer.proxied) || conf::admits(networks, peer.ip);
}

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
    case Proof::Certificate:
      return "certificate";
    case Proof::UnixPeer:
      return "unix";
  }
  std::unreachable();
}

std::optional<Proof> proof_by(std::string_view mechanism) {
  for (const Proof proof : {Proof::Plain, Proof::ScramSha256, Proof::ScramSha512}) {
    if (same_mechanism(mechanism, name(proof))) return proof;
  }
  return std::nullopt;
}

bool by_connecting(Proof proof) {
  switch (proof) {
    case Proof::Anonymous:
    case Proof::Text:
    case Proof::Plain:
    case Proof::ScramSha256:
    case Proof::ScramSha512:
      return false;
    case Proof::Certificate:
    case Proof::UnixPeer:
      return true;
  }
  std::unreachable();
}

bool is_external(std::string_view mechanism) {
  return same_mechanism(mechanism, kExternal);
}

}  // namespace mcgate::auth
