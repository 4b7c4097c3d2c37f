// Changes to a configuration file's text that leave the rest of it as the operator wrote it, comments and
// all. They find their way by the TOML reader's places; whoever calls them parses what comes out before it
// is used.
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace mcgate::conf {

// A `[[user]]` block, to stand at the end of a file or of nothing.
std::string user_block(std::string_view name, std::span<const std::string> secrets,
                       std::span<const std::string> roles);

// `text` with that block behind it.
std::string with_user(std::string_view text, std::string_view block);

// `text` with the secrets of that user replaced by these, or, if `keep`, with these put before its own.
// The error says what to do by hand; it is also one if no user has that name.
std::expected<std::string, std::string> with_secrets(std::string_view text, std::string_view user,
                                                     std::span<const std::string> secrets, bool keep);

// `text` without those of the user's secrets, by their number in its array.
std::expected<std::string, std::string> without_secrets(std::string_view text, std::string_view user,
                                                        std::span<const std::size_t> numbers);

}  // namespace mcgate::conf
