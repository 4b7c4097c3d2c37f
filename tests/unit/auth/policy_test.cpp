#include "auth/policy.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "auth/directory.hpp"
#include "conf/config.hpp"

namespace mcgate::auth {
namespace {

using protocol::Command;
using protocol::CommandSet;

// "abc*" is a prefix, "abc" a key.
conf::Grant grant(CommandSet commands, std::initializer_list<std::string_view> keys, std::uint32_t line = 1) {
  conf::Grant made;
  made.place = {line, 1};
  made.commands = commands;
  for (auto key : keys) {
    const bool exact = !key.ends_with('*');
    if (!exact) key.remove_suffix(1);
    made.keys.emplace_back(key);
    made.exact.push_back(exact);
  }
  return made;
}

conf::Role role(std::string name, std::vector<conf::Grant> allow, std::vector<conf::Grant> deny = {}) {
  return conf::Role{.place = {}, .name = std::move(name), .allow = std::move(allow), .deny = std::move(deny)};
}

Policy policy_of(const std::vector<conf::Role>& roles) {
  std::vector<const conf::Role*> pointers;
  for (const auto& one : roles) pointers.push_back(&one);
  return Policy{pointers};
}

const CommandSet kRead = commands_of(protocol::Category::Read);
const CommandSet kWrite = commands_of(protocol::Category::Write);

TEST_CASE("policy: nobody has a right by default") {
  const Policy none = policy_of({});
  CHECK_FALSE(none.allows(Command::Get, "a"));
  CHECK_FALSE(none.allows(Command::Stats));
  CHECK_FALSE(none.allows(CommandSet{}, "a"));
  CHECK_FALSE(none.allows(CommandSet{}));
  CHECK_FALSE(none.explain(Command::Get, "a").allowed);
  CHECK(none.explain(Command::Get, "a").role.empty());
}

TEST_CASE("policy: needing nothing is no right to anything") {
  const Policy all = policy_of({role("all", {grant(protocol::commands_of_star(), {"*"})})});
  CHECK(all.allows(Command::Get, "a"));
  CHECK_FALSE(all.allows(CommandSet{}, "a"));
  CHECK_FALSE(all.allows(CommandSet{}));
  CHECK_FALSE(all.explain(CommandSet{}, "a").allowed);
}

TEST_CASE("policy: prefixes, exact keys, and deny over allow") {
  const Policy policy = policy_of({
      role("web", {grant(kRead, {"session:*", "s", "se"}), grant(kWrite, {"session:*"})},
           {grant(protocol::commands_of_star(), {"session:admin:*", "session:x"})}),
      role("more", {grant(kRead, {"session:admin:*", "\xff*"})}),
  });
  struct Row {
    CommandSet needs;
    std::string_view key;
    bool allowed;
  };
  for (const auto& row : {
           Row{Command::Get, "session:1", true},
           Row{Command::Get, "session:", true},
           Row{Command::Get, "session", false},
           Row{Command::Get, "s", true},
           Row{Command::Get, "se", true},
           Row{Command::Get, "ses", false},
           Row{Command::Get, "sex", false},
           Row{Command::Get, "", false},
           Row{Command::Get, "session:x", false},
           Row{Command::Get, "session:xy", true},
           Row{Command::Get, "session:admin:", false},  // denied in one role, allowed in another
           Row{Command::Get, "session:admin:7", false},
           Row{Command::Get, "session:admin", true},
           Row{Command::Get, "Session:1", false},
           Row{Command::Get, "\xff", true},
           Row{Command::Get, "\x7f", false},
           Row{Command::Set, "session:1", true},
           Row{Command::Set, "s", false},
           Row{CommandSet{Command::Get} | Command::Set, "session:1", true},  // by two grants
           Row{CommandSet{Command::Get} | Command::Set, "s", false},
           Row{Command::Delete, "session:1", false},
           Row{CommandSet{Command::Get} | Command::Delete, "session:1", false},
       }) {
    CAPTURE(row.key);
    CHECK(policy.allows(row.needs, row.key) == row.allowed);
    CHECK(policy.explain(row.needs, row.key).allowed == row.allowed);
  }
}

TEST_CASE("policy: commands without keys") {
  const Policy policy = policy_of({role(
      "ops", {grant(Command::Stats, {}), grant(Command::FlushAll, {"a:*"}), grant(Command::Slabs, {"*"})},
      {grant(Command::FlushAll, {"a:b:*", "exactly"}), grant(Command::Slabs, {"*"})})});
  CHECK(policy.allows(Command::Stats));
  CHECK(policy.allows(Command::FlushAll));  // a deny of some keys says nothing of it
  CHECK_FALSE(policy.allows(Command::Slabs));
  CHECK_FALSE(policy.allows(Command::Watch));
  CHECK_FALSE(policy.allows(CommandSet{Command::Stats} | Command::Slabs));
  CHECK_FALSE(policy.allows(Command::Stats, "a"));  // a grant without keys is none of keys
  const Policy denied = policy_of({role("x", {grant(Command::Stats, {"*"})}, {grant(Command::Stats, {})})});
  CHECK_FALSE(denied.allows(Command::Stats));
  CHECK_FALSE(denied.allows(Command::Stats, "a"));  // a deny without keys leaves none out
}

TEST_CASE("policy: explain names the rule that decided") {
  const Policy policy =
      policy_of({role("web", {grant(kRead, {"a:*"}, 12)}, {grant(Command::Get, {"a:b*"}, 13)}),
                 role("ops", {grant(kWrite, {"*"}, 20)})});
  const auto denied = policy.explain(Command::Get, "a:b");
  CHECK(denied.text == "denied by role web, line 13");
  CHECK(denied.role == "web");
  CHECK(denied.place.line == 13);
  CHECK(policy.explain(Command::Get, "a:c").text == "allowed by role web, line 12");
  CHECK(policy.explain(Command::Set, "a:c").text == "allowed by role ops, line 20");
  CHECK(policy.explain(CommandSet{Command::Set} | Command::Delete, "a:c").text ==
        "no grant of delete on this key");
  CHECK(policy.explain(Command::Stats).text == "no grant of stats");
}

// What DESIGN §7 says, word by word and rule by rule.
bool reference(const std::vector<conf::Role>& roles, CommandSet needs, const std::string* key) {
  const auto matches = [&](const conf::Grant& rule, bool denies) {
    if (key == nullptr && !denies) return true;
    if (rule.keys.empty()) return denies;
    for (std::size_t i = 0; i < rule.keys.size(); ++i) {
      if (key == nullptr ? (rule.keys[i].empty() && !rule.exact[i])
                         : (rule.exact[i] ? *key == rule.keys[i] : key->starts_with(rule.keys[i]))) {
        return true;
      }
    }
    return false;
  };
  CommandSet allowed;
  for (const auto& one : roles) {
    for (const auto& rule : one.deny) {
      if (rule.commands.intersects(needs) && matches(rule, true)) return false;
    }
    for (const auto& rule : one.allow) {
      if (matches(rule, false)) allowed |= rule.commands;
    }
  }
  return !needs.empty() && allowed.contains(needs);
}

class RandomPolicy {
 public:
  explicit RandomPolicy(std::uint32_t seed) : random_{seed} {}

  // Few letters and short, so that keys meet prefixes often.
  std::string key() {
    constexpr std::string_view letters = "ab\xff";
    std::string made;
    for (auto size = below(6); size > 0; --size) made += letters[below(letters.size())];
    return made;
  }
  CommandSet commands() {
    constexpr Command some[] = {Command::Get, Command::Set, Command::Delete, Command::Stats};
    CommandSet made;
    for (const auto command : some) {
      if (below(3) == 0) made |= command;
    }
    return made;
  }
  conf::Role role() {
    conf::Role made;
    for (auto count = below(4); count > 0; --count) made.allow.push_back(rule());
    for (auto count = below(3); count > 0; --count) made.deny.push_back(rule());
    return made;
  }
  std::size_t below(std::size_t bound) { return random_() % bound; }

 private:
  conf::Grant rule() {
    conf::Grant made;
    made.commands = commands();
    for (auto count = below(5); count > 0; --count) {
      made.keys.push_back(key());
      made.exact.push_back(below(2) == 0);
    }
    return made;
  }
  std::mt19937 random_;
};

TEST_CASE("policy: tree, explanation and plain reading agree on random policies") {
  std::size_t allowed = 0;
  for (std::uint32_t seed = 0; seed < 2000; ++seed) {
    RandomPolicy random{seed};
    std::vector<conf::Role> roles;
    for (auto count = random.below(4); count > 0; --count) roles.push_back(random.role());
    const Policy policy = policy_of(roles);
    for (int i = 0; i < 40; ++i) {
      const auto key = random.key();
      const auto needs = random.commands();
      const bool expected = reference(roles, needs, &key);
      const bool keyless = reference(roles, needs, nullptr);
      allowed += expected ? 1 : 0;
      if (policy.allows(needs, key) != expected || policy.explain(needs, key).allowed != expected ||
          policy.allows(needs) != keyless || policy.explain(needs).allowed != keyless) {
        CAPTURE(seed);
        CAPTURE(key);
        FAIL("they disagree");
      }
    }
  }
  CHECK(allowed > 1000);  // the comparison saw both answers
}

// policies/*.toml, each with a *.cases beside it: `user command key -> allow|deny`, the key `-` for commands
// without keys, `+` for the space in a command's name.
TEST_CASE("policy: files of policies and cases") {
  std::size_t cases = 0;
  for (const auto& file :
       std::filesystem::directory_iterator{MCGATE_SOURCE_DIR "/tests/unit/auth/policies"}) {
    if (file.path().extension() != ".toml") continue;
    CAPTURE(file.path().string());
    const auto config = conf::load(file.path().string());
    REQUIRE(config.has_value());
    const auto directory = Directory::build(*config);
    REQUIRE(directory.has_value());
    std::ifstream lines{std::filesystem::path{file.path()}.replace_extension(".cases")};
    REQUIRE(lines.is_open());
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line.starts_with('#')) continue;
      CAPTURE(line);
      std::istringstream words{line};
      std::string user, command, key, arrow, verdict;
      words >> user >> command >> key >> arrow >> verdict;
      REQUIRE(arrow == "->");
      REQUIRE((verdict == "allow" || verdict == "deny"));
      std::ranges::replace(command, '+', ' ');
      const auto named = protocol::command_named(command);
      REQUIRE(named.has_value());
      const User* found = directory->find(user);
      REQUIRE(found != nullptr);
      const bool expected = verdict == "allow";
      const auto reason = key == "-" ? found->policy->explain(*named) : found->policy->explain(*named, key);
      CHECK((key == "-" ? found->policy->allows(*named) : found->policy->allows(*named, key)) == expected);
      CHECK(reason.allowed == expected);
      ++cases;
    }
  }
  CHECK(cases >= 30);
}

}  // namespace
}  // namespace mcgate::auth
