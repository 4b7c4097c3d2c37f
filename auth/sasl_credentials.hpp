// What one SASL exchange may learn of users, and what it proved. libsasl2's callbacks ask it, SaslExchange
// owns it; one thread at a time. It knows nothing of libsasl2.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "auth/directory.hpp"
#include "auth/identity.hpp"
#include "auth/sasl.hpp"
#include "conf/secret.hpp"

namespace mcgate::auth {

class SaslCredentials {
 public:
  SaslCredentials(std::shared_ptr<const Directory> directory, Peer peer, Proof proof);

  // For SCRAM: the verifier, as text, that the client's proof is held against. A decoy for whoever does not
  // exist, has none or may not come from there, after the same work; empty if the mechanism is none of SCRAM.
  conf::Secret verifier_of(std::string_view user);

  // It turned out to be bound to the connection under it, and is known by that mechanism's name.
  void take_as_bound() { proof_ = bound(proof_); }

  // For PLAIN.
  bool check(std::string_view user, std::string_view password);

  // For EXTERNAL: who the connection itself says it is.
  void take_as_proven(std::string_view user);

  // After libsasl2 said that `user` is who it is. Granted only if it was this user's own credentials that the
  // exchange was given.
  Outcome conclude(std::string_view user) const;

  // Whom the client says it is; empty as long as that is nobody.
  const std::string& claimed() const { return claimed_; }

  // After it said anything else: why, as far as we know better.
  Refused refuse(std::string_view reason) const;

 private:
  // None: the name is to meet a decoy, for the reason in `reason_`.
  const UserVerifier* genuine_verifier(std::string_view name, Hash hash);

  std::shared_ptr<const Directory> directory_;
  Peer peer_;
  Proof proof_;
  std::string claimed_;    // whom the client says it is, as long as that is one
  bool genuine_ = false;   // `claimed_` was met with its own credentials, and not with a decoy
  std::string proven_by_;  // the id of these, if they are one of its secrets
  std::string reason_;
  bool unjudged_ = false;  // see Refused
};

}  // namespace mcgate::auth
