// Writes TOML by the library's own formatter, so that no text ends its string early, whatever is in it. Pure
// functions; whoever calls them parses what comes out before it is used.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.hpp"

namespace mcgate::conf {

// A basic string, on one line and in ASCII: `"a\"b"`.
std::string to_toml(std::string_view text);
// An array of such: `[ "a", "b" ]`.
std::string to_toml(std::span<const std::string> texts);

// One grant of a role, as the configuration has it; no keys if its commands have none.
struct GrantTexts {
  std::vector<std::string> commands;
  std::vector<std::string> keys;
};
// A grant as one may write it.
GrantTexts texts_of(const Grant& grant);
// `[role.NAME]` with those in its `allow` and its `deny`, to stand at the end of a file.
std::string role_block(std::string_view name, std::span<const GrantTexts> allow,
                       std::span<const GrantTexts> deny = {});

}  // namespace mcgate::conf
