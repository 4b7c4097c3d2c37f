#include "conf/password_file.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace mcgate::conf;
using namespace std::string_view_literals;

namespace {

// "name=password name=password | line: problem"
std::string read(std::string_view text, PasswordFormat format) {
  std::string all;
  const auto found = read_password_file(text, "f", format, 20);
  for (const auto& user : found.users) all += user.name + "=" + std::string{user.password.reveal()} + " ";
  for (const auto& problem : found.problems) all += "| " + mcgate::conf::format(problem);
  return all;
}

}  // namespace

TEST_CASE("password file: users and what is wrong with lines") {
  using enum PasswordFormat;
  const struct {
    std::string_view text;
    PasswordFormat format;
    std::string_view found;
  } rows[] = {
      {"a:b\nc:d", Either, "a=b c=d "},
      {"a:b\r\n\r\n\nc:d e\r\n", Either, "a=b c=d e "},
      {"a:b:c\n", AuthFile, "a=b:c "},
      {"a:b:c\nd:e:\n", Pwdb, "a=b d=e "},
      {"a:b\nb:c:d\n", Either,
       "a=b | f:2:1: there is a second colon: --format auth-file makes it part of the password, --format "
       "pwdb "
       "ends the password there"},
      {"a\n:b\nc:\n", Either,
       "| f:1:1: there is no colon between user and password| f:2:1: the user's name is empty| f:3:1: the "
       "password is empty"},
      {"a:b\na:c\n", Either, "a=b | f:2:1: this user is there already, in line 1"},
      {"a b:c\n\x01:c\na:\0\n"sv, Either,
       "| f:1:1: the user's name holds a space or a control character| f:2:1: the user's name holds a space "
       "or a "
       "control character| f:3:1: the password holds a NUL"},
      {"a:01234567890123456789\nb:012345678901234567890\n", Either,
       "a=01234567890123456789 | f:2:1: the password is too long"},
      {"", Either, ""},
      {"a::\n", Pwdb, "| f:1:1: the password is empty"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(read(row.text, row.format) == row.found);
  }
}

TEST_CASE("password file: more users and longer lines than memcached takes") {
  std::string text;
  for (int i = 0; i < 1000; ++i)
    text += std::string(200, 'u') + std::to_string(i) + ":" + std::string(1000, 'p') + "\n";
  const auto found = read_password_file(text, "f", PasswordFormat::Either, 1024);
  CHECK(found.users.size() == 1000);
  CHECK(found.problems.empty());
}

TEST_CASE("password file: no password is quoted") {
  for (const auto text : {"hunter2\n"sv, "a:hunter2:\n"sv, "a:hunter2\0\n"sv, ":hunter2\n"sv,
                          "a:b\na:hunter2\n"sv, "a:hunter2hunter2hunter2\n"sv}) {
    const auto found = read_password_file(text, "f", PasswordFormat::Either, 20);
    REQUIRE(found.problems.size() == 1);
    CHECK_FALSE(format(found.problems[0]).contains("hunter2"));
  }
}
