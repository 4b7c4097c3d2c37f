#include "auth/policy.hpp"

#include <algorithm>
#include <map>

namespace mcgate::auth {
namespace {

using protocol::CommandSet;

std::size_t common_prefix(std::string_view a, std::string_view b) {
  const auto [at, ignored] = std::ranges::mismatch(a, b);
  return static_cast<std::size_t>(at - a.begin());
}

std::string names_of(CommandSet commands) {
  std::string names;
  for (const auto& row : protocol::all_commands()) {
    if (!commands.contains(row.command)) continue;
    if (!names.empty()) names += ", ";
    names += row.name;
  }
  return names;
}

}  // namespace

Policy::Policy(std::span<const conf::Role* const> roles, Reach reach, conf::DeniedRead on_denied_read)
    : hides_denied_{on_denied_read == conf::DeniedRead::Miss} {
  for (const conf::Role* role : roles) {
    const auto add = [&](const conf::Grant& grant, bool denies) {
      rules_.push_back(
          {role->name, grant.place, denies, grant.commands, grant.named, grant.keys, grant.exact});
    };
    for (const auto& grant : role->deny) add(grant, true);
    for (const auto& grant : role->allow) add(grant, false);
  }
  compile(reach);
}

void Policy::compile(Reach reach) {
  std::map<std::string_view, Sets> sets;
  sets[""];  // the root
  for (const Rule& rule : rules_) {
    const CommandSet keyless =
        reach == Reach::Cache ? rule.commands : rule.named & protocol::commands_of(protocol::Category::Stats);
    if (!rule.denies) keyless_allow_ |= keyless;
    if (rule.denies && rule.covers_everything()) {
      keyless_deny_ |= rule.commands;
      sets[""].deny |= rule.commands;
    }
    for (std::size_t i = 0; i < rule.keys.size(); ++i) {
      Sets& of_key = sets[rule.keys[i]];
      if (rule.exact[i]) {
        (rule.denies ? of_key.exact_deny : of_key.exact_allow) |= rule.commands;
      } else {
        (rule.denies ? of_key.deny : of_key.allow) |= rule.commands;
      }
    }
  }
  const std::vector<Entry> entries{sets.begin(), sets.end()};
  nodes_.emplace_back();
  grow(0, entries, 0);
}

// Completes the node at `index`, whose path is the first `depth` bytes that all of `entries` share, and grows
// what is below it. Entries are sorted. No reference into nodes_ outlives a push.
void Policy::grow(std::size_t index, std::span<const Entry> entries, std::size_t depth) {
  if (!entries.empty() && entries.front().first.size() == depth) {
    const Sets& own = entries.front().second;
    Sets& here = nodes_[index].sets;
    here = {here.allow | own.allow, here.deny | own.deny, own.exact_allow, own.exact_deny};
    entries = entries.subspan(1);
  }
  std::vector<std::span<const Entry>> groups;
  while (!entries.empty()) {
    const auto end = std::ranges::find_if(
        entries, [&](const Entry& entry) { return entry.first[depth] != entries.front().first[depth]; });
    const auto size = static_cast<std::size_t>(end - entries.begin());
    groups.push_back(entries.first(size));
    entries = entries.subspan(size);
  }
  const std::size_t first = nodes_.size();
  nodes_[index].first_child = static_cast<std::uint32_t>(first);
  nodes_[index].children = static_cast<std::uint32_t>(groups.size());
  const Sets inherited{nodes_[index].sets.allow, nodes_[index].sets.deny, {}, {}};
  nodes_.resize(first + groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::string_view from = groups[i].front().first;
    const std::size_t shared = common_prefix(from, groups[i].back().first);
    nodes_[first + i].label = from.substr(depth, shared - depth);
    nodes_[first + i].sets = inherited;
    grow(first + i, groups[i], shared);
  }
}

const Policy::Node* Policy::child(const Node& node, std::string_view rest) const {
  const std::span children{nodes_.data() + node.first_child, node.children};
  const auto first_byte = [](const Node& of) { return static_cast<unsigned char>(of.label.front()); };
  const auto wanted = static_cast<unsigned char>(rest.front());
  const auto found = std::ranges::lower_bound(children, wanted, {}, first_byte);
  return found != children.end() && rest.starts_with(found->label) ? &*found : nullptr;
}

CommandSet Policy::allowed(std::string_view key) const {
  const Node* node = &nodes_.front();
  while (!key.empty()) {
    const Node* next = child(*node, key);
    if (next == nullptr) break;
    key.remove_prefix(next->label.size());
    node = next;
  }
  Sets said = node->sets;
  if (key.empty()) {
    said.allow |= said.exact_allow;
    said.deny |= said.exact_deny;
  }
  return said.allow.without(said.deny);
}

bool Policy::allows(CommandSet needs, std::string_view key) const {
  return !needs.empty() && allowed(key).contains(needs);
}

bool Policy::allows(CommandSet needs) const {
  return !needs.empty() && keyless_allow_.contains(needs) && !keyless_deny_.intersects(needs);
}

bool Policy::Rule::matches(std::string_view key) const {
  if (denies && keys.empty()) return true;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (exact[i] ? key == keys[i] : key.starts_with(keys[i])) return true;
  }
  return false;
}

// Whether it speaks of every key, as `*` does; a deny written without keys leaves none out.
bool Policy::Rule::covers_everything() const {
  if (keys.empty()) return true;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].empty() && !exact[i]) return true;
  }
  return false;
}

Policy::Reason Policy::explain(CommandSet needs, std::string_view key) const {
  return explain(needs, &key);
}

Policy::Reason Policy::explain(CommandSet needs) const {
  Reason reason = explain(needs, nullptr);
  if (reason.allowed && !allows(needs)) {
    reason.allowed = false;
    reason.text = "of the whole cache, not of a namespace; " + reason.text;
  }
  return reason;
}

// Goes by the rules as written and not by the tree, so that each can be held against the other.
Policy::Reason Policy::explain(CommandSet needs, const std::string_view* key) const {
  Reason reason;
  reason.missing = needs;
  std::vector<Said> grants;
  for (const Rule& rule : rules_) {
    if (!rule.commands.intersects(needs)) continue;
    if (rule.denies) {
      const bool speaks_of_it = key != nullptr ? rule.matches(*key) : rule.covers_everything();
      if (speaks_of_it) reason.rules.push_back({rule.role, rule.place});
      continue;
    }
    if (key != nullptr && !rule.matches(*key)) continue;
    if (!rule.commands.intersects(reason.missing)) continue;
    grants.push_back({rule.role, rule.place});
    reason.missing = reason.missing.without(rule.commands);
  }
  const auto decided_by = [&](const Said& rule, std::string_view how) {
    reason.role = rule.role;
    reason.place = rule.place;
    reason.text.append(how).append(" by role ").append(rule.role);
    reason.text.append(", line ").append(std::to_string(rule.place.line));
  };
  reason.denied = !reason.rules.empty();
  if (reason.denied) {
    decided_by(reason.rules.front(), "denied");
  } else if (grants.empty() || !reason.missing.empty()) {
    reason.text = "no grant of " + names_of(reason.missing) + (key != nullptr ? " on this key" : "");
  } else {
    reason.allowed = true;
    // The rule that brought the last right that was missing is the one that decided.
    decided_by(grants.back(), "allowed");
    reason.rules = std::move(grants);
  }
  return reason;
}

}  // namespace mcgate::auth
