#include "auth/advice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace mcgate::auth {
namespace {

using protocol::Category;
using protocol::CommandSet;

// Grants, found by the keys that they hold: a key costs as many look-ups as it has bytes, however many there
// are.
class Rules {
 public:
  void add(const conf::Grant& grant) {
    for (std::size_t i = 0; i < grant.keys.size(); ++i)
      by_key_[grant.keys[i]].push_back({&grant, grant.exact[i]});
  }

  struct Found {
    CommandSet commands;                 // of all of them together
    const conf::Grant* first = nullptr;  // in the file
  };
  // What speaks of that key or, if it is not exact, of all that begin with it; but for `except`, and where
  // one says just the same, of the later ones: of two that are alike only the second adds nothing.
  Found covering(std::string_view key, bool exact, const conf::Grant* except = nullptr) const {
    Found found;
    for (std::size_t size = 0; size <= key.size(); ++size) {
      const auto at = by_key_.find(key.substr(0, size));
      if (at == by_key_.end()) continue;
      for (const auto& [grant, is_exact] : at->second) {
        const bool whole = size == key.size();
        if (grant == except || (is_exact && !(whole && exact))) continue;
        const bool same_key = whole && is_exact == exact;
        if (except != nullptr && same_key && grant->commands == except->commands && after(*grant, *except))
          continue;
        found.commands |= grant->commands;
        if (found.first == nullptr || after(*found.first, *grant)) found.first = grant;
      }
    }
    return found;
  }

 private:
  static bool after(const conf::Grant& a, const conf::Grant& b) { return a.place > b.place; }
  struct Entry {
    const conf::Grant* grant;
    bool exact;
  };
  std::unordered_map<std::string_view, std::vector<Entry>> by_key_;
};

std::string written(const conf::Grant& grant, std::size_t key) {
  return fmt::format("{:?}", grant.keys[key] + (grant.exact[key] ? "" : "*"));
}

class Adviser {
 public:
  explicit Adviser(const conf::Config& config) : config_{config} {
    for (const protocol::CommandRow& row : protocol::all_commands()) {
      if (row.keys == protocol::KeyCount::None) keyless_ |= row.command;
    }
    for (const conf::Role& role : config.roles) roles_.emplace(role.name, &role);
    for (const conf::User& user : config.users) role_sets_.emplace(user.roles.begin(), user.roles.end());
    for (const conf::Listener& listener : config.listeners) {
      if (!listener.anonymous.empty()) anonymous_.insert(listener.anonymous);
      for (const conf::Anonymous& some : listener.anonymous_by_network) anonymous_.insert(some.user);
    }
  }

  std::vector<conf::Problem> take() {
    for (const conf::Role& role : config_.roles) look_at(role);
    for (const conf::User& user : config_.users) look_at(user);
    for (const conf::Listener& listener : config_.listeners) look_at(listener);
    std::ranges::sort(found_, {}, [](const conf::Problem& problem) {
      return std::tuple{problem.place, std::string_view{problem.message}};
    });
    return std::move(found_);
  }

 private:
  using RoleSet = std::set<std::string_view>;

  void warn(conf::Place place, std::string_view message) {
    found_.push_back({config_.file_of(place), place, fmt::format("warning: {}", message)});
  }

  void look_at(const conf::Role& role) {
    std::vector<Rules> denials;  // of each set of roles that a user has, this one among them
    for (const RoleSet& set : role_sets_) {
      if (!set.contains(role.name)) continue;
      Rules& rules = denials.emplace_back();
      for (const std::string_view name : set) {
        for (const conf::Grant& grant : roles_.at(name)->deny) rules.add(grant);
      }
    }
    if (denials.empty()) {
      warn(role.place, fmt::format("nobody has the role {:?}", role.name));
      return;
    }
    Rules allowed;
    for (const conf::Grant& grant : role.allow) allowed.add(grant);
    for (const conf::Grant& grant : role.allow) {
      if (!look_for_denials(grant, denials)) look_for_wider(grant, allowed);
    }
  }

  // What stands in the file's first line of those that deny the commands on that key to everyone; null if
  // somebody has any of them left.
  static const conf::Grant* denial(CommandSet commands, std::string_view key, bool exact,
                                   const std::vector<Rules>& denials) {
    const conf::Grant* by = nullptr;
    for (const Rules& rules : denials) {
      const Rules::Found found = rules.covering(key, exact);
      if (!found.commands.contains(commands)) return nullptr;
      by = found.first;
    }
    return by;
  }

  // Whether any of the grant is denied to everyone who has it.
  bool look_for_denials(const conf::Grant& grant, const std::vector<Rules>& denials) {
    const CommandSet keyless = grant.commands & keyless_;
    const CommandSet keyed = grant.commands.without(keyless_);
    const conf::Grant* by = keyless.empty() ? nullptr : denial(keyless, "", false, denials);
    const bool some_left = by == nullptr && !keyless.empty();
    std::vector<std::pair<std::size_t, const conf::Grant*>> dead;
    for (std::size_t i = 0; i < grant.keys.size() && !keyed.empty(); ++i) {
      if (const conf::Grant* found = denial(keyed, grant.keys[i], grant.exact[i], denials); found != nullptr)
        dead.emplace_back(i, found);
    }
    if (!some_left && (keyed.empty() || dead.size() == grant.keys.size())) {
      if (!dead.empty()) by = dead.front().second;
      warn(grant.place,
           fmt::format("this grant allows nothing: all of it is denied, as in line {}", by->place.line));
      return true;
    }
    for (const auto& [key, denied_by] : dead)
      warn(grant.place, fmt::format("the key {} of this grant allows nothing: it is denied, as in line {}",
                                    written(grant, key), denied_by->place.line));
    return !dead.empty();
  }

  void look_for_wider(const conf::Grant& grant, const Rules& allowed) {
    const conf::Grant* by = nullptr;
    for (std::size_t i = 0; i < grant.keys.size(); ++i) {
      const Rules::Found found = allowed.covering(grant.keys[i], grant.exact[i], &grant);
      if (!found.commands.contains(grant.commands)) return;
      by = found.first;
    }
    if (by != nullptr)
      warn(grant.place,
           fmt::format("this grant adds nothing: the role allows all of it already, as in line {}",
                       by->place.line));
  }

  CommandSet allowed_to(const conf::User& user) const {
    CommandSet commands;
    for (const std::string& name : user.roles) {
      for (const conf::Grant& grant : roles_.at(name)->allow) commands |= grant.commands;
    }
    return commands;
  }

  void look_at(const conf::User& user) {
    const bool is_anonymous = anonymous_.contains(user.name);
    const CommandSet allowed = allowed_to(user);
    const bool admin = allowed.intersects(protocol::commands_of(Category::Admin));
    const bool has_owners = !user.unix_users.empty() || !user.unix_groups.empty();
    const bool by_certificate = !user.certificates.empty() && any_listener(asks_for_certificates);
    const bool by_owner = has_owners && any_listener(shows_owners);
    if (!user.certificates.empty() && !by_certificate)
      warn(user.certificates.front().place,
           fmt::format("user {:?} has certificates, which no listener asks for: see client_certificate",
                       user.name));
    if (has_owners && !by_owner)
      warn(user.place,
           fmt::format("user {:?} has unix_users or unix_groups, and no listener is a Unix socket "
                       "that clients connect to by themselves",
                       user.name));
    if (!user.has_password() && !is_anonymous && !by_certificate && !by_owner)
      warn(user.place,
           fmt::format("user {:?} cannot log in: it has no secret, and no listener has it as anonymous",
                       user.name));
    if (allowed.empty())
      warn(user.place, fmt::format("user {:?} may do nothing: no role of it allows anything", user.name));
    if (admin && is_anonymous)
      warn(user.place, fmt::format("user {:?} has admin commands, and whoever reaches a listener that has it "
                                   "as anonymous has them too",
                                   user.name));
    if (admin && user.has_password() && takes_passwords_in_the_clear())
      warn(user.place,
           fmt::format("user {:?} has admin commands, and its password may cross the network without TLS: a "
                       "listener has insecure_passwords",
                       user.name));
  }

  static bool asks_for_certificates(const conf::Listener& listener) {
    return listener.tls && listener.tls->client_certificate != conf::ClientCertificate::None;
  }

  static bool shows_owners(const conf::Listener& listener) {
    return listener.address.family == conf::Address::Family::Unix && !listener.is_for_proxies();
  }

  bool any_listener(bool (*has)(const conf::Listener&)) const {
    return std::ranges::any_of(config_.listeners, has);
  }

  static bool is_plain_and_remote(const conf::Listener& listener) {
    return !listener.tls && !listener.address.is_local();
  }

  bool takes_passwords_in_the_clear() const {
    return std::ranges::any_of(config_.listeners, [](const conf::Listener& listener) {
      return is_plain_and_remote(listener) && listener.insecure_passwords;
    });
  }

  void look_at(const conf::Listener& listener) {
    if (listener.auth != conf::AuthMode::Required)
      warn(listener.place, "whoever reaches this listener may do everything, until its auth is \"required\"");
    const bool passwords =
        std::ranges::any_of(config_.users, [](const conf::User& user) { return user.has_password(); });
    if (passwords && is_plain_and_remote(listener) && !listener.insecure_passwords)
      warn(listener.place, "without tls, this listener takes passwords from local clients only");
  }

  const conf::Config& config_;
  std::map<std::string_view, const conf::Role*> roles_;
  std::set<RoleSet> role_sets_;
  std::set<std::string_view> anonymous_;
  CommandSet keyless_;
  std::vector<conf::Problem> found_;
};

}  // namespace

std::vector<conf::Problem> advise(const conf::Config& config) {
  return Adviser{config}.take();
}

}  // namespace mcgate::auth
