// The files in which memcached keeps users and their passwords, as an import reads them. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.hpp"
#include "conf/secret.hpp"

namespace mcgate::conf {

// One line a user, "user:password". Where the password ends is not the same in both.
enum class PasswordFormat : std::uint8_t {
  Either,    // at the line's end; a colon in it is a problem, since it may be meant either way
  AuthFile,  // of memcached -Y: at the line's end, colons and all
  Pwdb,      // of MEMCACHED_SASL_PWDB: at the next colon
};

struct ImportedUser {
  Place place;
  std::string name;
  Secret password;
};

struct Imported {
  std::vector<ImportedUser> users;
  std::vector<Problem> problems;  // one for each line that cannot be taken; no password is quoted
};

// `longest_password` in bytes. A carriage return before the newline is none of the password; empty lines are
// skipped.
Imported read_password_file(std::string_view text, const std::string& file, PasswordFormat format,
                            std::size_t longest_password);

}  // namespace mcgate::conf
