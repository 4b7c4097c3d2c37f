#include "auth/identity.hpp"

#include <strings.h>

#include <algorithm>
#include <array>
#include <utility>

namespace mcgate::auth {
namespace {

bool same_mechanism(std::string_view said, std::string_view known) {
  return said.size() == known.size() && strncasecmp(said.data(), known.data(), known.size()) == 0;
}

struct Scram {
  Proof unbound;
  Proof bound;
};
constexpr std::array kScram{Scram{Proof::ScramSha256, Proof::ScramSha256Plus},
                            Scram{Proof::ScramSha512, Proof::ScramSha512Plus}};

}  // namespace

bool admits(std::span<const conf::Network> networks, const Peer& peer) {
  return peer.has_no_address() || conf::admits(networks, peer.ip);
}

const std::string& anonymous_user(const conf::Listener& listener, const Peer& peer) {
  const std::string* user = &listener.anonymous;
  int best = -1;
  for (const conf::Anonymous& some : listener.anonymous_by_network) {
    for (const conf::Network& network : some.networks) {
      if (peer.has_no_address() || network.prefix_bits <= best || !network.contains(peer.ip)) continue;
      best = network.prefix_bits;
      user = &some.user;
    }
  }
  return *user;
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
    case Proof::ScramSha256Plus:
      return "SCRAM-SHA-256-PLUS";
    case Proof::ScramSha512Plus:
      return "SCRAM-SHA-512-PLUS";
    case Proof::Certificate:
      return "certificate";
    case Proof::UnixPeer:
      return "unix";
  }
  std::unreachable();
}

Proof bound(Proof proof) {
  const auto* const found = std::ranges::find(kScram, proof, &Scram::unbound);
  return found != kScram.end() ? found->bound : proof;
}

Proof unbound(Proof proof) {
  const auto* const found = std::ranges::find(kScram, proof, &Scram::bound);
  return found != kScram.end() ? found->unbound : proof;
}

std::optional<Proof> proof_by(std::string_view mechanism) {
  for (const Proof proof : {Proof::Plain, Proof::ScramSha256, Proof::ScramSha512, Proof::ScramSha256Plus,
                            Proof::ScramSha512Plus}) {
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
    case Proof::ScramSha256Plus:
    case Proof::ScramSha512Plus:
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
