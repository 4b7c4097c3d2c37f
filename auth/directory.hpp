// The users of a configuration, compiled: who may log in, from where, with what, and what each may do.
// Immutable once built; shared by all threads inside a Snapshot.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/policy.hpp"
#include "auth/verifier.hpp"
#include "conf/config.hpp"

namespace mcgate::auth {

struct User {
  std::string name;
  std::vector<Verifier> verifiers;
  std::vector<conf::Network> networks;
  std::shared_ptr<const Policy> policy;  // users with the same roles share one
};

class Directory {
 public:
  // Everything wrong with the users and roles is reported at once.
  static std::expected<Directory, std::vector<conf::Problem>> build(const conf::Config& config);

  // Names are compared as byte strings, whole.
  const User* find(std::string_view name) const;

  // The SASL mechanisms to offer, strongest last is the client's choice: joined by spaces, only those
  // configured that every user with a password can use (DESIGN §11.10). Empty if nobody has a password.
  const std::string& mechanisms() const;

  // A verifier for a name that does not exist: the same for the same name, different from process to
  // process, with everyone's iteration count; no password matches it. Work and answers are then those of
  // a wrong password.
  Verifier decoy(std::string_view name, Hash hash) const;

 private:
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };
  std::unordered_map<std::string, User, NameHash, std::equal_to<>> users_;
  std::string mechanisms_;
  std::uint32_t decoy_iterations_ = kDefaultIterations;
  conf::Secret decoy_key_;
};

}  // namespace mcgate::auth
