// What one user may do: the grants of all its roles, compiled so that a request is decided in one walk
// over its key, without allocating. Order-free; default deny; deny beats allow. Immutable, any thread.
//
// It judges the client's own keys, without its namespace. What is of no key is of the whole cache: in a
// namespace, such commands are refused whatever the roles say, but for the general statistics, which count
// and do not list, if they are granted by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/config.hpp"
#include "protocol/command.hpp"

namespace mcgate::auth {

class Policy {
 public:
  // Of what its users see: all keys as they are, or a namespace.
  enum class Reach : std::uint8_t { Cache, Namespace };

  // The union of these roles. Copies what it needs.
  explicit Policy(std::span<const conf::Role* const> roles, Reach reach = Reach::Cache,
                  conf::DeniedRead on_denied_read = conf::DeniedRead::Error);

  // Whether reading what is not allowed is to look as if it were not there.
  bool hides_denied() const { return hides_denied_; }

  // The commands that are allowed on that key, be it by different grants, and not denied.
  protocol::CommandSet allowed(std::string_view key) const;
  // Whether those are all that are needed. Nothing at all is not allowed: a request that needs no right is
  // not for a policy to judge.
  bool allows(protocol::CommandSet needs, std::string_view key) const;
  // The same for commands that have no keys: a grant of the command with any key will do, a deny of it
  // only counts with `*`.
  bool allows(protocol::CommandSet needs) const;

  // Why allows() said what it said, for logs and `explain`: walks all grants, so never per request.
  struct Said {
    std::string role;
    conf::Place place;
  };
  struct Reason {
    bool allowed = false;
    bool denied = false;           // by a denial; else, if it is not allowed, for want of a grant
    std::string role;              // of the rule that decided; empty if no rule speaks of it
    conf::Place place;             // of that rule
    std::string text;              // "denied by role web, line 12", "no grant of set on this key"
    std::vector<Said> rules;       // all denials that stand in the way, or the grants that it rests upon
    protocol::CommandSet missing;  // of what is needed, what no grant allows: also where it is denied
  };
  Reason explain(protocol::CommandSet needs, std::string_view key) const;
  Reason explain(protocol::CommandSet needs) const;

 private:
  // One grant of one role as it was written, for explain().
  struct Rule {
    std::string role;
    conf::Place place;
    bool denies = false;
    protocol::CommandSet commands;
    protocol::CommandSet named;  // not by `*` alone
    std::vector<std::string> keys;
    std::vector<bool> exact;

    bool matches(std::string_view key) const;
    bool covers_everything() const;
  };
  // What the rules say of a key (exact_*), and of all keys that begin with it.
  struct Sets {
    protocol::CommandSet allow, deny;
    protocol::CommandSet exact_allow, exact_deny;
  };
  using Entry = std::pair<std::string_view, Sets>;
  // Of a radix tree over key prefixes. `allow` and `deny` include those of all shorter prefixes, so the last
  // node of a walk says it all. Children stand side by side, in the order of their labels' first bytes.
  struct Node {
    std::string label;  // the bytes between the parent and here; not empty but at the root
    Sets sets;
    std::uint32_t first_child = 0;
    std::uint32_t children = 0;
  };

  void compile(Reach reach);
  void grow(std::size_t index, std::span<const Entry> entries, std::size_t depth);
  const Node* child(const Node& node, std::string_view rest) const;
  Reason explain(protocol::CommandSet needs, const std::string_view* key) const;

  std::vector<Rule> rules_;
  std::vector<Node> nodes_;  // the root first
  protocol::CommandSet keyless_allow_;
  protocol::CommandSet keyless_deny_;
  bool hides_denied_;
};

}  // namespace mcgate::auth
