// What one user may do: the grants of all its roles, compiled so that a request is decided in one walk
// over its key, without allocating. Order-free; default deny; deny beats allow. Immutable, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.hpp"
#include "protocol/command.hpp"

namespace mcgate::auth {

class Policy {
 public:
  // The union of these roles. Copies what it needs.
  explicit Policy(std::span<const conf::Role* const> roles);

  // Whether every command of `needs` is allowed, and none denied, on that key.
  bool allows(protocol::CommandSet needs, std::string_view key) const;
  // The same for commands that have no keys: a grant of the command with any key will do, a deny of it
  // only counts with `*`.
  bool allows(protocol::CommandSet needs) const;

  // Why allows() said what it said, for logs and `explain`: walks all grants, so never per request.
  struct Reason {
    bool allowed = false;
    std::string role;       // of the rule that decided; empty if no rule speaks of it
    conf::Place place;      // of that rule
    std::string text;       // "denied by role web, line 12", "no grant of set on this key"
  };
  Reason explain(protocol::CommandSet needs, std::string_view key) const;
  Reason explain(protocol::CommandSet needs) const;

 private:
  struct Node;  // of a radix tree over key prefixes
};

}  // namespace mcgate::auth
