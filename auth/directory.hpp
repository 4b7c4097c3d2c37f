// The users of a configuration, compiled: who may log in, from where, with what, and what each may do.
// Immutable once built; shared by all threads inside a Snapshot.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/certificate_map.hpp"
#include "auth/identity.hpp"
#include "auth/owner_map.hpp"
#include "auth/policy.hpp"
#include "auth/verifier.hpp"
#include "conf/config.hpp"
#include "protocol/request.hpp"

namespace mcgate::auth {

struct User {
  std::string name;
  bool enabled = true;
  bool asks_saslauthd = false;  // for a password that none of the verifiers matches
  std::vector<UserVerifier> verifiers;
  std::vector<conf::Network> networks;
  std::shared_ptr<const Policy> policy;  // users with the same roles share one
  std::string name_space;                // put before each of its keys on the way up; empty: none
  conf::UserLimits limits;               // its own and those of its roles, taken together
  protocol::ParseLimits parse_limits;    // of its requests

  // Whether each of its requests has to be held against limits beyond those.
  bool metered() const { return limits.ttl_seconds || limits.requests || limits.bytes; }
};

// Whether the user may log in at all, and from there.
bool admits(const User& user, const Peer& peer);
// Why a log-in of the user fails if no password fits: for the log.
std::string_view why_refused(const User& user, const Peer& peer, std::chrono::system_clock::time_point now);

// The secret with that id, if it is good now; null if not.
const UserVerifier* live_secret(const User& user, std::string_view id,
                                std::chrono::system_clock::time_point now);
// What stands for a secret's id where saslauthd said that the password is right; no secret has it.
inline constexpr std::string_view kSaslauthd = "saslauthd";
// Whether what proved the user, a secret or saslauthd by these names, still would.
bool still_proves(const User& user, std::string_view id, std::chrono::system_clock::time_point now);

// The secret that SCRAM with that hash goes by: the one that is named for it, or else the first, of those
// that are good now.
const UserVerifier* scram_secret(const User& user, Hash hash, std::chrono::system_clock::time_point now);

// Iterations of key derivation, by hash.
using Work = std::array<std::uint32_t, 2>;
inline std::uint32_t& of(Work& work, Hash hash) {
  return work[static_cast<std::size_t>(hash)];
}

class Directory {
 public:
  // Everything wrong with the users and roles is reported at once. What is offered and what decoys look like
  // follows from the secrets that are good at `now`.
  static std::expected<Directory, std::vector<conf::Problem>> build(
      const conf::Config& config,
      std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

  // Names are compared as byte strings, whole.
  const User* find(std::string_view name) const;

  // Whose certificate has these names (see names_of); null if nobody's. The error is that they are different
  // users'.
  std::expected<const User*, std::string> by_certificate(std::span<const std::string> names) const;

  // Whose process that is, by uid or else by gid; null if nobody's.
  const User* by_owner(const UnixOwner& owner) const;

  // Whoever is nobody, where all pass: without a name and without a right.
  const User& stranger() const { return stranger_; }

  // The SASL mechanisms to offer, joined by spaces: only those configured that every user with a password can
  // use (DESIGN §11.10), without PLAIN unless the client may send a password, and without -PLUS unless it can
  // be bound to something. SCRAM is none where one's password is saslauthd's, who needs it whole. Empty if
  // nobody has a password.
  std::string mechanisms(bool may_send_password, bool can_bind) const;

  // Whether it is one of those, the connection allowing.
  bool offers(Proof proof) const;
  // Whether a -PLUS is.
  bool offers_binding() const;

  // A verifier for a name that does not exist: the same for the same name and login.decoy_key, with the
  // iteration count and salt size that most users have for that hash; no password matches it. So SCRAM's
  // first answer betrays nobody as long as all users have the same count.
  //
  // What remains: a secret whose end comes between two builds changes what its user shows, and not what
  // decoys look like; without login.decoy_key decoys differ from process to process, where users do not, and
  // a name that becomes a user, or ceases to be one, changes its salt. The key is not derived from the users'
  // verifiers: these follow from their passwords and from salts that SCRAM shows to anyone, so a decoy would
  // let strangers test guesses at passwords without ever asking us.
  Verifier decoy(std::string_view name, Hash hash) const;

  const conf::Saslauthd& saslauthd() const { return saslauthd_; }

  // What checking a wrong password costs the dearest user. check_password spends as much on every failure,
  // so that the time says nothing about the name, even where users' counts differ.
  const Work& dearest() const { return dearest_; }

 private:
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };
  // What a verifier shows before anything is proven.
  struct Face {
    std::uint32_t iterations = kDefaultIterations;
    std::size_t salt_size = 16;
    friend auto operator<=>(const Face&, const Face&) = default;
  };

  // Second half of build(): what follows from all users together.
  void survey(const std::vector<std::string>& configured_mechanisms,
              std::chrono::system_clock::time_point now);

  User stranger_;
  std::unordered_map<std::string, User, NameHash, std::equal_to<>> users_;
  CertificateMap certificates_;
  OwnerMap owners_;
  std::vector<Proof> offered_;  // as configured
  std::array<Face, 2> decoys_;  // by hash
  conf::Secret decoy_key_;
  conf::Saslauthd saslauthd_;
  Work dearest_{};
};

// The configuration, if a directory can be built of it; otherwise all that is wrong.
std::expected<conf::Config, std::vector<conf::Problem>> with_good_users(
    std::expected<conf::Config, std::vector<conf::Problem>> config);

}  // namespace mcgate::auth
