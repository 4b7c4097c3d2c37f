// A new user's password: asked for, read or drawn. Called by the user commands, before anything is changed.
#pragma once

#include <expected>
#include <string>

#include "conf/secret.hpp"

namespace mcgate::proxy {

// The longest password, in bytes.
inline constexpr std::size_t kMaxPassword = 1024;

// From the terminal, asked twice and without echo; or, if `fd` is none, the first line of `fd`, without its
// newline or carriage return and newline. Refused: nothing, NULs (HMAC takes them for padding), more than
// kMaxPassword bytes.
std::expected<conf::Secret, std::string> read_password(int fd);

// 256 random bits in base64url, without padding.
conf::Secret draw_password();

}  // namespace mcgate::proxy
