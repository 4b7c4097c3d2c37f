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

TEST_CASE("policy: in a namespace nothing of the whole cache is allowed but statistics that are named") {
  const auto within = [](const conf::Role& one) {
    const conf::Role* const roles[] = {&one};
    return Policy{roles, Policy::Reach::Namespace};
  };
  conf::Grant everything =
      grant(protocol::commands_of_star() | commands_of(protocol::Category::Admin), {"*"});
  everything.named = commands_of(protocol::Category::Admin);
  const Policy by_star = within(role("r", {everything}));
  everything.named = everything.commands;
  const Policy by_name = within(role("r", {everything}));
  for (const auto& row : protocol::all_commands()) {
    CAPTURE(row.name);
    if (row.category == protocol::Category::Session) continue;
    if (row.keys != protocol::KeyCount::None) {
      CHECK(by_star.allows(row.command, "k"));
      CHECK(by_name.allows(row.command, "k"));
      continue;
    }
    CHECK_FALSE(by_star.allows(row.command));
    CHECK(by_name.allows(row.command) == (row.category == protocol::Category::Stats));
    CHECK(by_star.explain(row.command).allowed == by_star.allows(row.command));
    CHECK(by_name.explain(row.command).allowed == by_name.allows(row.command));
    CHECK(by_star.explain(row.command).text ==
          "of the whole cache, not of a namespace; allowed by role r, line 1");
  }
  CHECK_FALSE(within(role("r", {everything}, {grant(Command::Stats, {"*"})})).allows(Command::Stats));
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
  explicit RandomPolicy(std::uint32_t seed, std::string_view letters = "ab\xff")
      : random_{seed}, letters_{letters} {}

  // Short, so that keys meet prefixes often.
  std::string key() {
    std::string made;
    for (auto size = below(6); size > 0; --size) made += letters_[below(letters_.size())];
    return made;
  }
  CommandSet commands() {
    CommandSet made;
    for (const auto command : {Command::Get, Command::Set, Command::Delete, Command::Stats}) {
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
    made.place.line = ++line_;
    made.commands = commands();
    for (auto count = below(5); count > 0; --count) {
      made.keys.push_back(key());
      made.exact.push_back(below(2) == 0);
    }
    return made;
  }
  std::mt19937 random_;
  std::uint32_t line_ = 0;    // of the rule, by which it is known
  std::string_view letters_;  // few, so that keys meet prefixes often
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

TEST_CASE("policy: what an explanation names is all that stands in the way, and all that is missing") {
  std::size_t denied = 0;
  for (std::uint32_t seed = 0; seed < 500; ++seed) {
    RandomPolicy random{seed};
    const std::vector<conf::Role> roles{random.role(), random.role()};
    const Policy policy = policy_of(roles);
    for (int i = 0; i < 20; ++i) {
      const auto key = random.key();
      const auto needs = random.commands();
      const auto reason = policy.explain(needs, key);
      if (needs.empty() || reason.allowed) continue;
      denied += reason.denied ? 1 : 0;
      CAPTURE(seed);
      CAPTURE(key);
      std::vector<conf::Role> changed = roles;
      for (auto& one : changed)
        std::erase_if(one.deny, [&](const conf::Grant& rule) {
          return std::ranges::any_of(reason.rules,
                                     [&](const auto& said) { return said.place.line == rule.place.line; });
        });
      REQUIRE(policy_of(changed).allows(needs, key) == reason.missing.empty());
      changed.push_back(role("more", {grant(reason.missing, {})}));
      changed.back().allow.front().keys = {key};
      changed.back().allow.front().exact = {true};
      REQUIRE(policy_of(changed).allows(needs, key));
    }
  }
  CHECK(denied > 500);
}

// A role as the configuration would write it.
std::string toml_of(const conf::Role& role) {
  const auto grants = [](std::string_view effect, const std::vector<conf::Grant>& rules) {
    std::string text = std::string{effect} + " = [";
    for (const auto& rule : rules) {
      std::string commands, keys;
      for (const auto& row : protocol::all_commands()) {
        if (rule.commands.contains(row.command)) commands += "\"" + std::string{row.name} + "\", ";
      }
      for (std::size_t i = 0; i < rule.keys.size(); ++i)
        keys += "\"" + rule.keys[i] + (rule.exact[i] ? "\", " : "*\", ");
      text += "{ commands = [" + commands + "]";
      if (!keys.empty()) text += ", keys = [" + keys + "]";
      text += " }, ";
    }
    return text + "]\n";
  };
  return "[role." + role.name + "]\n" + grants("allow", role.allow) + grants("deny", role.deny);
}

// What the configuration's check would refuse: a right without a key where one is needed, or the reverse.
bool unwritable(const conf::Grant& rule) {
  for (std::size_t i = 0; i < rule.keys.size(); ++i) {
    if (rule.keys[i].empty() && rule.exact[i]) return true;
  }
  if (rule.commands.contains(Command::Stats)) return rule.commands != Command::Stats || !rule.keys.empty();
  return rule.commands.empty() || rule.keys.empty();
}

TEST_CASE("policy: what is written as TOML and read again says the same") {
  std::size_t allowed = 0;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    RandomPolicy random{seed, "ab:"};
    std::vector<conf::Role> roles;
    std::string names;
    std::string text;
    for (auto count = random.below(4); count > 0; --count) {
      conf::Role made = random.role();
      made.name = "r" + std::to_string(count);
      std::erase_if(made.allow, unwritable);
      std::erase_if(made.deny, unwritable);
      names += "\"" + made.name + "\", ";
      text += toml_of(made);
      roles.push_back(std::move(made));
    }
    text += "[[user]]\nname = \"u\"\nroles = [" + names +
            "]\n[upstream]\naddress = \"127.0.0.1:1\"\n"
            "[[listener]]\naddress = \"127.0.0.1:2\"\n";
    CAPTURE(seed);
    CAPTURE(text);
    const auto config = conf::parse(text, "f");
    REQUIRE(config.has_value());
    const auto directory = Directory::build(*config);
    REQUIRE(directory.has_value());
    const CommandSet keyed = CommandSet{Command::Get} | Command::Set | Command::Delete;
    const Policy written = policy_of(roles);
    const Policy& read = *directory->find("u")->policy;
    for (int i = 0; i < 40; ++i) {
      const auto key = random.key();
      CAPTURE(key);
      // `delete` is a category too, with md in it.
      REQUIRE((read.allowed(key) & keyed) == (written.allowed(key) & keyed));
      REQUIRE(read.allows(Command::Stats) == written.allows(Command::Stats));
      allowed += (written.allowed(key) & keyed).empty() ? 0 : 1;
    }
  }
  CHECK(allowed > 1000);
}

// What a case has in brackets: the role and line of the rule that decided.
std::string rule_of(const Policy::Reason& reason) {
  if (reason.role.empty()) return "(no grant)";
  return "(" + reason.role + ":" + std::to_string(reason.place.line) + ")";
}

void check_case(const std::string& line, const Directory& directory) {
  CAPTURE(line);
  std::istringstream words{line};
  std::string user, command, key, arrow, verdict, rule;
  words >> user >> command >> key >> arrow >> verdict >> std::ws;
  std::getline(words, rule);
  REQUIRE(arrow == "->");
  REQUIRE((verdict == "allow" || verdict == "deny"));
  std::ranges::replace(command, '+', ' ');
  const auto named = protocol::command_named(command);
  REQUIRE(named.has_value());
  const User* found = directory.find(user);
  REQUIRE(found != nullptr);
  const Policy& policy = *found->policy;
  const bool keyless = key == "-";
  const auto reason = keyless ? policy.explain(*named) : policy.explain(*named, key);
  const bool expected = verdict == "allow";
  CHECK((keyless ? policy.allows(*named) : policy.allows(*named, key)) == expected);
  CHECK(reason.allowed == expected);
  CHECK(rule_of(reason) == rule);
}

// tests/policy/*.toml, each with a *.cases beside it: `user command key -> allow|deny (rule)`, the key `-`
// for commands without keys, `+` for the space in a command's name, the rule as rule_of() has it.
TEST_CASE("policy: files of policies and cases") {
  std::size_t cases = 0;
  for (const auto& file : std::filesystem::directory_iterator{MCGATE_SOURCE_DIR "/tests/policy"}) {
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
      check_case(line, *directory);
      ++cases;
    }
  }
  CHECK(cases >= 60);
}

}  // namespace
}  // namespace mcgate::auth
