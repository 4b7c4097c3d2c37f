#include "conf/users.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "conf/file.hpp"
#include "tests/unit/conf/configs.hpp"

using namespace mcgate::conf;
using namespace mcgate::conf::test;
using namespace std::string_view_literals;

namespace {

// A configuration that has `main` from its line 4 on, and `users` in its users file.
std::expected<Config, std::vector<Problem>> parse_both(std::string_view main, std::string_view users) {
  return parse("users_file = \"users.toml\"\n" + least() + std::string{main}, "/etc/mcgate/mcgate.toml",
               [&](const std::string& path) {
                 CHECK(path == "/etc/mcgate/users.toml");
                 return Secret{users};
               });
}

constexpr std::string_view kMain = "[[user]]\nname = \"a\"\nnamespace = \"a:\"\n";  // its name is in line 5

}  // namespace

TEST_CASE("a users file: more users, whose places are of that file") {
  const auto config = parse_both(kMain, "\n[[user]]\nname = \"b\"\n");
  REQUIRE(config.has_value());
  REQUIRE(config->users.size() == 2);
  CHECK(config->users[1].name == "b");
  CHECK(config->file_of(config->users[0].place) == "/etc/mcgate/mcgate.toml");
  CHECK(config->file_of(config->users[1].place) == "/etc/mcgate/users.toml");
  CHECK(config->users[1].place.line == 2);

  CHECK(parse_both(kMain, "").value().users.size() == 1);
  // Whoever the configuration names may be there.
  const auto with_guest = [](std::string_view guest) {
    const std::string text = fmt::format(
        "users_file = \"/u\"\nlistener = [{{ address = \"127.0.0.1:1\", anonymous = {:?} }}]\n"
        "upstream = {{ address = \"127.0.0.1:2\" }}\n",
        guest);
    return parse(text, "f", [](const std::string&) { return Secret{"[[user]]\nname = \"b\"\n"sv}; });
  };
  CHECK(with_guest("b").has_value());
  CHECK_FALSE(with_guest("c").has_value());
}

TEST_CASE("each mistake in a users file is named with its place there") {
  struct Row {
    std::string_view users;
    std::string_view problem;
  };
  for (const auto& row : {
           Row{"[[user]]\nname = \"a\"", "2:8: user \"a\" is there already, in line 5 of the configuration"},
           Row{"[[user]]\nname = \"b\"\n[[user]]\nname = \"b\"",
               "4:8: user \"b\" is there already, in line 2"},
           Row{"[[user]]\nname = \"b\"\nnamespace = \"a:b\"",
               "3:13: namespace \"a:b\" begins with that of user \"a\", \"a:\" in line 6 of the "
               "configuration: "
               "the one's keys could be the other's; end both alike, with \":\" say"},
           Row{"[[user]]\nname = \"b\"\nroles = [\"none\"]", "3:10: there is no [role.none]"},
           Row{"[[user]]\nname = \"b\"\nnetworks = [\"x\"]", "3:13: \"x\" is not an IPv4 or IPv6 address"},
           Row{"[[user]]\nname = \"b\"\nsecrets = [{ verifier = \"x\" }]",
               "3:25: a secret must be a verifier, SCRAM-SHA-256$… or SCRAM-SHA-512$…; mcgate user passwd "
               "makes "
               "one"},
           Row{"[[user]]\nname = \"b\"\nsecret = 1",
               "3:1: unknown key \"secret\" in [[user]] (did you mean \"secrets\"?)"},
           Row{"[log]\nlevel = \"debug\"", "1:2: \"log\": a users file holds [[user]] and nothing else"},
           Row{"[role.b]", "1:2: \"role\": a users file holds [[user]] and nothing else"},
           Row{"users_file = \"again\"", "1:1: \"users_file\": a users file holds [[user]] and nothing else"},
           Row{"user = 1", "1:8: user must be an array of 0 to 100000 tables, not an integer"},
       }) {
    CAPTURE(row.users);
    const auto refused = parse_both(kMain, row.users);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().size() == 1);
    CHECK(format(refused.error().at(0)) == fmt::format("/etc/mcgate/users.toml:{}", row.problem));
  }
}

TEST_CASE("a users file that is not TOML is named with the place, and not quoted") {
  const auto refused = parse_both("", "[[user]]\nname = secret-word\n");
  REQUIRE_FALSE(refused.has_value());
  const std::string said = format(refused.error().at(0));
  CAPTURE(said);
  CHECK(said.starts_with("/etc/mcgate/users.toml:2:"));
  CHECK(said.find("not TOML: ") != said.npos);
  CHECK(said.find("secret-word") == said.npos);
}

TEST_CASE("what is wrong in both files is told of the configuration first") {
  const auto refused = parse_both("[[user]]\nname = \"a b\"\n", "[[user]]\nname = \"c d\"\n");
  REQUIRE_FALSE(refused.has_value());
  REQUIRE(refused.error().size() == 2);
  CHECK(refused.error()[0].file == "/etc/mcgate/mcgate.toml");
  CHECK(refused.error()[1].file == "/etc/mcgate/users.toml");
}

TEST_CASE("where a users file is, and whether it can be read") {
  struct Row {
    std::string_view config_file;
    std::string_view named;
    std::string_view path;
  };
  for (const auto& row : {
           Row{"f", "users.toml", "users.toml"},
           Row{"dir/f", "users.toml", "dir/users.toml"},
           Row{"dir/f", "../users.toml", "dir/../users.toml"},
           Row{"dir/f", "/run/users.toml", "/run/users.toml"},
       }) {
    CAPTURE(row.path);
    const std::string text = fmt::format("users_file = {:?}\n{}", row.named, least());
    const auto refused = parse(text, std::string{row.config_file},
                               [](const std::string&) -> std::expected<Secret, std::string> {
                                 return std::unexpected("No such file or directory");
                               });
    REQUIRE_FALSE(refused.has_value());
    CHECK(format(refused.error().at(0)) ==
          fmt::format("{}:1:14: users_file: {:?} cannot be read: No such file or directory", row.config_file,
                      row.path));
    CHECK_FALSE(parse(text, std::string{row.config_file}).has_value());  // where nobody reads files
  }
  const auto long_one = parse("users_file = \"long\"\n" + least(), "f",
                              [](const std::string&) { return Secret{std::string(kMaxFile + 1, ' ')}; });
  REQUIRE_FALSE(long_one.has_value());
  CHECK(format(long_one.error().at(0)) == "f:1:14: users_file: \"long\" has more than 16777216 bytes");
}
