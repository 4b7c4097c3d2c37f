#include "auth/sasl_credentials.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace mcgate::auth {
namespace {

std::optional<Hash> hash_of(Proof proof) {
  switch (proof) {
    case Proof::ScramSha256:
    case Proof::ScramSha256Plus:
      return Hash::Sha256;
    case Proof::ScramSha512:
    case Proof::ScramSha512Plus:
      return Hash::Sha512;
    case Proof::Anonymous:
    case Proof::Text:
    case Proof::Plain:
    case Proof::Certificate:
    case Proof::UnixPeer:
      return std::nullopt;
  }
  std::unreachable();
}

}  // namespace

SaslCredentials::SaslCredentials(std::shared_ptr<const Directory> directory, Peer peer, Proof proof)
    : directory_{std::move(directory)}, peer_{peer}, proof_{proof} {}

conf::Secret SaslCredentials::verifier_of(std::string_view name) {
  const auto hash = hash_of(proof_);
  if (!hash) return {};
  claimed_ = name;
  // Made for those who exist too, lest the time it takes tells who does.
  const Verifier decoy = directory_->decoy(name, *hash);
  const UserVerifier* genuine = genuine_verifier(name, *hash);
  genuine_ = genuine != nullptr;
  proven_by_ = genuine != nullptr ? genuine->id : std::string{};
  return conf::Secret{format(genuine != nullptr ? *genuine : decoy)};
}

const UserVerifier* SaslCredentials::genuine_verifier(std::string_view name, Hash hash) {
  const User* user = directory_->find(name);
  if (user == nullptr) {
    reason_ = "unknown user";
    return nullptr;
  }
  const auto now = std::chrono::system_clock::now();
  reason_ = why_refused(*user, peer_, now);
  return admits(*user, peer_) ? scram_secret(*user, hash, now) : nullptr;
}

bool SaslCredentials::check(std::string_view name, std::string_view password) {
  genuine_ = false;
  if (proof_ != Proof::Plain) return false;
  claimed_ = name;
  auto outcome = check_password(*directory_, peer_, name, password, proof_);
  if (const auto* refused = std::get_if<Refused>(&outcome)) {
    reason_ = refused->reason;
    unjudged_ = refused->unjudged;
  }
  if (auto* granted = std::get_if<Granted>(&outcome)) proven_by_ = std::move(granted->identity.secret);
  genuine_ = std::holds_alternative<Granted>(outcome);
  return genuine_;
}

void SaslCredentials::take_as_proven(std::string_view name) {
  claimed_ = name;
  genuine_ = by_connecting(proof_);
}

Outcome SaslCredentials::conclude(std::string_view name) const {
  if (!genuine_ || name != claimed_) return refuse("proven name and credentials differ");
  const User* user = directory_->find(name);
  if (user == nullptr || !admits(*user, peer_)) return refuse("user may not log in");
  return Granted{Identity{user->name, proof_, proven_by_}};
}

Refused SaslCredentials::refuse(std::string_view reason) const {
  return Refused{reason_.empty() ? std::string{reason} : reason_, claimed_, unjudged_};
}

}  // namespace mcgate::auth
