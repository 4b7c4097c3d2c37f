#include "conf/grants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "conf/user_limits.hpp"
#include "protocol/command.hpp"
#include "protocol/key.hpp"

namespace mcgate::conf {
namespace {

using protocol::Category;
using protocol::CommandSet;

constexpr std::array kGrantable{Category::Read,   Category::Write, Category::Touch,
                                Category::Delete, Category::Stats, Category::Admin};

enum class Effect : std::uint8_t { Allow, Deny };

CommandSet keyed_commands() {
  CommandSet keyed;
  for (const auto& row : protocol::all_commands()) {
    if (row.keys != protocol::KeyCount::None) keyed |= row.command;
  }
  return keyed;
}

bool holds_keyed(CommandSet commands) {
  return commands.intersects(keyed_commands());
}

bool holds_keyless(CommandSet commands) {
  return !commands.without(keyed_commands()).empty();
}

CommandSet keyless_admin_commands() {
  return protocol::commands_of(Category::Admin).without(keyed_commands());
}

// What one entry of `commands` stands for; what is wrong with it otherwise.
std::expected<CommandSet, std::string> parse_command(std::string_view text) {
  if (text == "*") return protocol::commands_of_star();
  if (const auto category = protocol::category_named(text)) return protocol::commands_of(*category);
  const auto command = protocol::command_named(text);
  if (command && row(*command).category == Category::Session) {
    return std::unexpected(
        fmt::format("{} needs no grant: every identity has it, and it cannot be denied", text));
  }
  if (command) return *command;
  std::vector<std::string_view> known;
  known.reserve(kGrantable.size() + protocol::kCommandCount);
  for (const Category category : kGrantable) known.push_back(name(category));
  for (const auto& row : protocol::all_commands()) {
    if (row.category != Category::Session) known.push_back(row.name);
  }
  std::string hint = suggestion(text, known);
  if (hint.empty()) hint = "; categories are read, write, touch, delete, stats, admin";
  return std::unexpected(fmt::format("unknown command {:?}{}", text.substr(0, 64), hint));
}

struct KeyPattern {
  std::string key;
  bool exact;
};

std::expected<KeyPattern, std::string> parse_key_pattern(std::string_view text) {
  const std::string_view shown = text.substr(0, 256);
  if (text.empty())
    return std::unexpected(std::string{"a key has 1 byte at least; \"*\" stands for all keys"});
  const bool exact = text.back() != '*';
  const std::string_view key = exact ? text : text.substr(0, text.size() - 1);
  if (key.find('*') != std::string_view::npos) {
    return std::unexpected(
        fmt::format("{:?}: only a trailing * is special, and no other may be there", shown));
  }
  if (key.size() > protocol::kMaxKey) {
    return std::unexpected(fmt::format("a key has {} bytes at most, not {}", protocol::kMaxKey, key.size()));
  }
  if (!key.empty() && !protocol::valid_key(key)) {
    return std::unexpected(fmt::format("{:?}: no key holds a space or a control character", shown));
  }
  return KeyPattern{std::string{key}, exact};
}

// A deny of a command without keys only counts on all keys: any other would be read as more than it does.
void check_keyless_deny(std::string_view text, Place place, CommandSet commands, Problems& problems) {
  if (text == "*" || !holds_keyless(commands)) return;
  problems.add(place,
               fmt::format("{} {} no keys, so these keys would not deny {}: deny it in a grant of its own, "
                           "with keys = [\"*\"]",
                           text, protocol::category_named(text) ? "holds commands that have" : "has",
                           protocol::category_named(text) ? "them" : "it"));
}

// The same in an allow would grant more than it is read as: keys do not limit a command that has none.
// `*` may be limited to keys all the same: the only ones of its commands without any are the statistics.
void check_keyless_admin_allow(std::string_view text, Place place, CommandSet commands, Problems& problems) {
  if (!commands.intersects(keyless_admin_commands())) return;
  if (protocol::category_named(text)) {
    problems.add(place, fmt::format("{} holds commands that have no keys, which these keys would not limit: "
                                    "grant it apart, with keys = [\"*\"]",
                                    text));
  } else {
    problems.add(place, fmt::format("{} has no keys: grant it apart, without keys", text));
  }
}

std::optional<Grant> read_grant(PlacedTable table, Effect effect, Problems& problems) {
  SectionReader reader{table, Section::Grant, problems};
  const std::vector<PlacedText> commands = reader.texts("commands");
  const std::vector<PlacedText> keys = reader.texts("keys");

  Grant grant;
  grant.place = table.place;
  for (const PlacedText& item : keys) {
    auto pattern = parse_key_pattern(item.text);
    if (!pattern) {
      problems.add(item.place, std::move(pattern.error()));
      continue;
    }
    grant.keys.push_back(std::move(pattern->key));
    grant.exact.push_back(pattern->exact);
  }
  bool all_keys = !reader.has("keys");
  for (std::size_t i = 0; i < grant.keys.size(); ++i) all_keys |= grant.keys[i].empty() && !grant.exact[i];

  for (const PlacedText& item : commands) {
    auto parsed = parse_command(item.text);
    if (!parsed) {
      problems.add(item.place, std::move(parsed.error()));
      continue;
    }
    if (effect == Effect::Deny && !all_keys) check_keyless_deny(item.text, item.place, *parsed, problems);
    if (effect == Effect::Allow && !all_keys)
      check_keyless_admin_allow(item.text, item.place, *parsed, problems);
    grant.commands |= *parsed;
    if (item.text != "*") grant.named |= *parsed;
  }
  if (grant.commands.empty()) return std::nullopt;  // which has been reported

  if (!reader.has("keys") && holds_keyed(grant.commands)) {
    problems.add(table.place, "the grant needs keys: prefixes like \"session:*\", or \"*\" for all keys");
  } else if (effect == Effect::Allow && !all_keys && !holds_keyed(grant.commands) &&
             !grant.commands.intersects(keyless_admin_commands())) {  // which have been reported
    problems.add(reader.place_of("keys"),
                 "none of these commands has a key, so keys cannot limit them: leave keys out");
  }
  if (!reader.has("keys")) {
    grant.keys.emplace_back();
    grant.exact.push_back(false);
  }
  return grant;
}

std::vector<Grant> read_grants(const std::vector<PlacedTable>& tables, Effect effect, Problems& problems) {
  std::vector<Grant> grants;
  for (const PlacedTable& table : tables) {
    if (auto grant = read_grant(table, effect, problems)) grants.push_back(std::move(*grant));
  }
  return grants;
}

}  // namespace

Role read_role(const std::string& name, PlacedTable table, Problems& problems) {
  SectionReader reader{table, Section::Role, problems};
  Role role;
  role.place = table.place;
  role.name = name;
  role.allow = read_grants(reader.tables("allow"), Effect::Allow, problems);
  role.deny = read_grants(reader.tables("deny"), Effect::Deny, problems);
  role.limits = read_user_limits(reader, problems);
  return role;
}

}  // namespace mcgate::conf
