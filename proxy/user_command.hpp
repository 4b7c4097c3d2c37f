// `mcgate user add`, `passwd`, `forget`, `import` and `list`: users and their verifiers, written into the
// configuration file, or, if that names a users file, there: new users, and those that it holds.
//
// A password comes from a prompt (twice, without echo) or, if stdin is no terminal, from one line of it;
// never from an argument, which others could see. The file is replaced whole, at once, and only by one that
// checks. Called by main, which is then done; all return an exit code of sysexits.h and say on stderr what
// was wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "auth/verifier.hpp"
#include "conf/password_file.hpp"

namespace mcgate::proxy {

struct UserAddOptions {
  std::string config_file;
  std::string name;
  std::vector<std::string> roles;
  bool generate = false;  // draw a password of 256 bits and print it, once, alone on a line of stdout
  // Print the `[[user]]` block and touch nothing; the file need not exist. A drawn password then goes to
  // stderr, since the block goes to stdout.
  bool print = false;
  std::uint32_t iterations = auth::kDefaultIterations;
};
int user_add(const UserAddOptions& options);

struct UserPasswdOptions {
  std::string config_file;
  std::string name;
  bool generate = false;
  bool keep = false;  // the verifiers that are there stay valid, after the new ones
  std::uint32_t iterations = auth::kDefaultIterations;
};
int user_passwd(const UserPasswdOptions& options);

struct UserForgetOptions {
  std::string config_file;
  std::string name;
  std::vector<std::string> secrets;  // ids, as user_list prints them
};
// Takes secrets away from a user, by which nobody logs in any more.
int user_forget(const UserForgetOptions& options);

struct UserImportOptions {
  std::string config_file;
  std::string password_file;
  std::vector<std::string> roles;  // of each of them
  conf::PasswordFormat format = conf::PasswordFormat::Either;
  std::uint32_t iterations = auth::kDefaultIterations;
};
// Adds the users of one of memcached's password files, all of them or, with a line for each problem, none.
int user_import(const UserImportOptions& options);

// Prints users and their secrets: one line for each secret, and one for a user who has none.
int user_list(const std::string& config_file);

}  // namespace mcgate::proxy
