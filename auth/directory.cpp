#include "auth/directory.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "auth/digest.hpp"
#include "conf/user_limits.hpp"

namespace mcgate::auth {
namespace {

constexpr std::array kHashes{Hash::Sha256, Hash::Sha512};

constexpr std::size_t index(Hash hash) {
  return static_cast<std::size_t>(hash);
}

// Where none is configured. Drawn once for the whole process and not for each directory: after a reload a
// decoy must look as before, as a user does.
const conf::Secret& drawn_decoy_key() {
  static const conf::Secret key = random_bytes(32);
  return key;
}

// Takes the user's verifiers and roles out of the configuration; what is wrong with them goes to `problems`.
class Compiler {
 public:
  Compiler(const conf::Config& config, std::vector<conf::Problem>& problems)
      : config_{config}, problems_{problems} {
    for (const auto& role : config.roles) roles_.emplace(role.name, &role);
  }

  User compile(const conf::User& from) {
    const Roles roles = roles_of(from);
    User user{.name = from.name,
              .enabled = from.enabled,
              .asks_saslauthd = from.password_source == conf::PasswordSource::Saslauthd,
              .verifiers = {},
              .networks = from.networks,
              .policy = {},
              .name_space = from.name_space,
              .limits = conf::limits_of(from.limits, roles),
              .parse_limits = {}};
    user.policy = policy_of(user, roles);
    user.parse_limits = parse_limits_of(user);
    for (const conf::UserSecret& secret : from.secrets) add_secret(secret, user);
    return user;
  }

  void complain(conf::Place place, std::string message) {
    problems_.push_back({config_.file_of(place), place, std::move(message)});
  }

 private:
  using Roles = std::vector<const conf::Role*>;

  void add_secret(const conf::UserSecret& from, User& user) {
    auto verifier = parse_verifier(from.verifier.reveal());
    if (!verifier) {
      complain(from.place, "user \"" + user.name + "\": " + verifier.error());
      return;
    }
    UserVerifier made{std::move(*verifier), {}, from.not_after, from.scram};
    made.id = id_of(made);
    for (const UserVerifier& other : user.verifiers) {
      if (other.id == made.id)
        complain(from.place, "user \"" + user.name + "\" has two secrets with the same salt: make one anew");
      if (other.for_scram && made.for_scram && other.hash == made.hash) {
        complain(from.place, "user \"" + user.name + "\" has two secrets with scram = true for " +
                                 std::string{mechanism(made.hash)} + ", which shows one salt only");
      }
    }
    user.verifiers.push_back(std::move(made));
  }

  protocol::ParseLimits parse_limits_of(const User& user) const {
    const auto least = [](std::size_t everybody, std::optional<std::size_t> own) {
      return own ? std::min(everybody, *own) : everybody;
    };
    protocol::ParseLimits limits;
    limits.value_bytes = least(config_.limits.value_bytes, user.limits.value_bytes);
    limits.keys = least(config_.limits.keys_per_request, user.limits.keys_per_request);
    limits.get_line_bytes = limits.keys * (protocol::kMaxKey + 1) + limits.line_bytes;
    limits.namespace_bytes = user.name_space.size();
    return limits;
  }

  Roles roles_of(const conf::User& user) {
    Roles roles;
    for (const auto& name : user.roles) {
      if (const auto found = roles_.find(name); found != roles_.end()) {
        roles.push_back(found->second);
      } else {
        complain(user.place,
                 "user \"" + user.name + "\" has the role \"" + name + "\", which does not exist");
      }
    }
    std::ranges::sort(roles);
    roles.erase(std::ranges::unique(roles).begin(), roles.end());
    return roles;
  }

  // Users whose roles are the same, in whatever order, share a policy, if it means the same for them.
  std::shared_ptr<const Policy> policy_of(const User& user, const Roles& roles) {
    const auto reach = user.name_space.empty() ? Policy::Reach::Cache : Policy::Reach::Namespace;
    const auto denied_read = user.limits.on_denied_read.value_or(conf::DeniedRead::Error);
    auto& policy = policies_[{reach, denied_read, roles}];
    if (!policy) policy = std::make_shared<const Policy>(roles, reach, denied_read);
    return policy;
  }

  const conf::Config& config_;
  std::vector<conf::Problem>& problems_;
  std::map<std::string_view, const conf::Role*> roles_;
  std::map<std::tuple<Policy::Reach, conf::DeniedRead, Roles>, std::shared_ptr<const Policy>> policies_;
};

}  // namespace

bool admits(const User& user, const Peer& peer) {
  return user.enabled && admits(user.networks, peer);
}

std::string_view why_refused(const User& user, const Peer& peer, std::chrono::system_clock::time_point now) {
  if (!user.enabled) return "user is not enabled";
  if (!admits(user, peer)) return "user may not log in from there";
  if (user.verifiers.empty()) return "user has no password";
  const bool live = std::ranges::any_of(user.verifiers, [&](const auto& each) { return each.is_live(now); });
  return live ? "wrong password" : "user's passwords have expired";
}

const UserVerifier* live_secret(const User& user, std::string_view id,
                                std::chrono::system_clock::time_point now) {
  const auto found = std::ranges::find(user.verifiers, id, &UserVerifier::id);
  return found != user.verifiers.end() && found->is_live(now) ? &*found : nullptr;
}

bool still_proves(const User& user, std::string_view id, std::chrono::system_clock::time_point now) {
  return id == kSaslauthd ? user.asks_saslauthd : live_secret(user, id, now) != nullptr;
}

const UserVerifier* scram_secret(const User& user, Hash hash, std::chrono::system_clock::time_point now) {
  const UserVerifier* first = nullptr;
  for (const UserVerifier& each : user.verifiers) {
    if (each.hash != hash || !each.is_live(now)) continue;
    if (each.for_scram) return &each;
    if (first == nullptr) first = &each;
  }
  return first;
}

std::expected<Directory, std::vector<conf::Problem>> Directory::build(
    const conf::Config& config, std::chrono::system_clock::time_point now) {
  std::vector<conf::Problem> problems;
  Compiler compiler{config, problems};
  Directory directory;
  for (const auto& user : config.users) {
    const auto [at, is_new] = directory.users_.try_emplace(user.name, compiler.compile(user));
    if (!is_new) compiler.complain(user.place, "user \"" + user.name + "\" is there twice");
  }
  directory.certificates_ = CertificateMap{config, problems};
  directory.owners_ = OwnerMap{config, problems};
  directory.stranger_ = compiler.compile({});
  if (!problems.empty()) return std::unexpected{std::move(problems)};
  directory.decoy_key_ = config.login.decoy_key.empty() ? drawn_decoy_key() : config.login.decoy_key;
  directory.saslauthd_ = config.login.saslauthd;
  directory.survey(config.login.mechanisms, now);
  return directory;
}

void Directory::survey(const std::vector<std::string>& configured_mechanisms,
                       std::chrono::system_clock::time_point now) {
  std::array<std::map<Face, std::size_t>, 2> faces;
  std::array<bool, 2> everyone{true, true};
  bool anyone = false;
  for (const auto& [name, user] : users_) {
    if (user.verifiers.empty() && !user.asks_saslauthd) continue;
    anyone = true;
    if (user.asks_saslauthd) everyone = {false, false};
    Work work{};
    for (const auto& verifier : user.verifiers) of(work, verifier.hash) += verifier.iterations;
    for (const Hash hash : kHashes) of(dearest_, hash) = std::max(of(dearest_, hash), of(work, hash));
    // Who has no secret left shows nothing, and can use no mechanism whatever is offered.
    if (std::ranges::none_of(user.verifiers, [&](const auto& each) { return each.is_live(now); })) continue;
    for (const Hash hash : kHashes) {
      const UserVerifier* shown = scram_secret(user, hash, now);
      everyone[index(hash)] = everyone[index(hash)] && shown != nullptr;
      if (shown != nullptr) ++faces[index(hash)][{shown->iterations, shown->salt.size()}];
    }
  }
  for (const Hash hash : kHashes) {
    std::size_t most = 0;
    for (const auto& [face, count] : faces[index(hash)]) {
      if (count < most) continue;  // of those equally common, the dearest
      most = count;
      decoys_[index(hash)] = face;
    }
  }
  for (const auto& mechanism_name : configured_mechanisms) {
    const auto proof = proof_by(mechanism_name);
    // The configuration's check knows the same names.
    if (!anyone || !proof || mechanism_name != name(*proof)) continue;
    const auto is_it = [&](Hash hash) {
      return everyone[index(hash)] && name(unbound(*proof)) == mechanism(hash);
    };
    if (*proof == Proof::Plain || std::ranges::any_of(kHashes, is_it)) offered_.push_back(*proof);
  }
}

const User* Directory::find(std::string_view name) const {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : &found->second;
}

std::expected<const User*, std::string> Directory::by_certificate(std::span<const std::string> names) const {
  const User* whose = nullptr;
  for (const std::string& name : names) {
    const std::string* user = certificates_.find(name);
    if (user == nullptr) continue;
    if (whose != nullptr && whose->name != *user)
      return std::unexpected("its names are those of user \"" + whose->name + "\" and of user \"" + *user +
                             "\"");
    whose = find(*user);
  }
  return whose;
}

const User* Directory::by_owner(const UnixOwner& owner) const {
  const std::string* user = owners_.find(owner);
  return user != nullptr ? find(*user) : nullptr;
}

std::string Directory::mechanisms(bool may_send_password, bool can_bind) const {
  std::string list;
  for (const Proof proof : offered_) {
    if ((proof == Proof::Plain && !may_send_password) || (is_bound(proof) && !can_bind)) continue;
    list.append(list.empty() ? "" : " ").append(name(proof));
  }
  return list;
}

bool Directory::offers(Proof proof) const {
  return std::ranges::find(offered_, proof) != offered_.end();
}

bool Directory::offers_binding() const {
  return std::ranges::any_of(offered_, is_bound);
}

Verifier Directory::decoy(std::string_view name, Hash hash) const {
  const auto draw = [&](std::string_view purpose) {
    std::string message{purpose};
    message += '\0';
    message += mechanism(hash);
    message += '\0';
    message += name;
    return hmac(Hash::Sha512, decoy_key_.reveal(), message);
  };
  const Face& face = decoys_[index(hash)];
  const auto key = [&](std::string_view purpose) {
    return conf::Secret{draw(purpose).reveal().substr(0, digest_size(hash))};
  };
  return Verifier{.hash = hash,
                  .iterations = face.iterations,
                  .salt = std::string{draw("salt").reveal().substr(0, face.salt_size)},
                  .stored_key = key("stored key"),
                  .server_key = key("server key")};
}

std::expected<conf::Config, std::vector<conf::Problem>> with_good_users(
    std::expected<conf::Config, std::vector<conf::Problem>> config) {
  if (!config) return config;
  if (auto directory = Directory::build(*config); !directory)
    return std::unexpected(std::move(directory.error()));
  return config;
}

}  // namespace mcgate::auth
