#include "auth/directory.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "auth/digest.hpp"
#include "auth/sasl.hpp"
#include "tests/unit/auth/users.hpp"

namespace mcgate::auth {
namespace {

using test::user;
using test::verifier_text;

conf::Config with_users(std::vector<conf::User> users) {
  conf::Config config;
  config.file = "mcgate.toml";
  config.users = std::move(users);
  return config;
}

TEST_CASE("directory: every problem is reported, at its place") {
  auto config = with_users({
      user("a", {verifier_text(Hash::Sha256, "x"), "nonsense", "SCRAM-SHA-256$1:x$y:z"}),
      user("b", {}),
      user("b", {}),
  });
  config.users[1].place = {30, 1};
  config.users[2].place = {40, 1};
  config.users[1].roles = {"ghost"};
  const auto built = Directory::build(config);
  REQUIRE_FALSE(built.has_value());
  REQUIRE(built.error().size() == 4);
  CHECK(built.error()[0].place.line == 11);
  CHECK(built.error()[1].place.line == 12);
  CHECK(built.error()[2].place.line == 30);
  CHECK(built.error()[2].message == "user \"b\" has the role \"ghost\", which does not exist");
  CHECK(built.error()[3].place.line == 40);
  for (const auto& problem : built.error()) {
    CHECK(problem.file == "mcgate.toml");
    CHECK(problem.message.find("nonsense") == std::string::npos);
  }
}

TEST_CASE("directory: users are found by their whole name, byte for byte") {
  using namespace std::string_view_literals;
  const auto directory = test::directory({user("alice", {}), user("bob@example.org", {})});
  CHECK(directory->find("alice") != nullptr);
  CHECK(directory->find("bob@example.org") != nullptr);
  for (const auto row :
       {""sv, "alic"sv, "alice "sv, "Alice"sv, "alice\0"sv, "bob"sv, "bob@"sv, "example.org"sv}) {
    CAPTURE(row);
    CHECK(directory->find(row) == nullptr);
  }
}

conf::User asking(std::string name, std::initializer_list<std::string> secrets) {
  auto made = user(std::move(name), secrets);
  made.password_source = conf::PasswordSource::Saslauthd;
  return made;
}

TEST_CASE("directory: mechanisms are those that every user with a password can use") {
  const auto v256 = verifier_text(Hash::Sha256, "x");
  const auto v512 = verifier_text(Hash::Sha512, "x");
  struct Row {
    std::vector<conf::User> users;
    std::vector<std::string> configured;
    std::string_view mechanisms;
  };
  const std::vector<std::string> all{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
  const std::vector<std::string> plus{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS", "SCRAM-SHA-512"};
  for (const auto& row : {
           Row{{user("a", {v256, v512})}, plus, "SCRAM-SHA-256-PLUS SCRAM-SHA-512-PLUS SCRAM-SHA-512"},
           Row{{user("a", {v256})}, plus, "SCRAM-SHA-256-PLUS"},
           Row{{user("a", {v512})}, plus, "SCRAM-SHA-512-PLUS SCRAM-SHA-512"},
           Row{{user("a", {v512}), asking("b", {})}, plus, ""},
           Row{{}, all, ""},
           Row{{user("a", {})}, all, ""},
           Row{{user("a", {v256})}, all, "PLAIN SCRAM-SHA-256"},
           Row{{user("a", {v512})}, all, "PLAIN SCRAM-SHA-512"},
           Row{{user("a", {v256, v512})}, all, "PLAIN SCRAM-SHA-256 SCRAM-SHA-512"},
           Row{{user("a", {v256, v512}), user("b", {v256})}, all, "PLAIN SCRAM-SHA-256"},
           Row{{user("a", {v512}), user("b", {v256})}, all, "PLAIN"},
           Row{{user("a", {v256, v512}), user("b", {})}, all, "PLAIN SCRAM-SHA-256 SCRAM-SHA-512"},
           Row{{user("a", {v256, v512})}, {"SCRAM-SHA-512"}, "SCRAM-SHA-512"},
           Row{{user("a", {v256})}, {"SCRAM-SHA-512"}, ""},
           Row{{user("a", {v256, v512})}, {}, ""},
           Row{{user("a", {v256, v512}), asking("b", {v256, v512})}, all, "PLAIN"},
           Row{{asking("b", {})}, all, "PLAIN"},
           Row{{user("a", {v256})}, {"ANONYMOUS", "CRAM-MD5", "EXTERNAL", "plain"}, ""},
       }) {
    auto config = with_users(row.users);
    config.login.mechanisms = row.configured;
    CAPTURE(row.mechanisms);
    const auto directory = Directory::build(config).value();
    CHECK(directory.mechanisms(true, true) == row.mechanisms);
    std::string_view rest = row.mechanisms;
    if (rest.starts_with("PLAIN")) rest.remove_prefix(std::min<std::size_t>(rest.size(), 6));
    CHECK(directory.mechanisms(false, true) == rest);
    CHECK(directory.mechanisms(true, false).find("-PLUS") == std::string::npos);
    CHECK(directory.offers_binding() == (row.mechanisms.find("-PLUS") != std::string_view::npos));
    for (const Proof proof :
         {Proof::Anonymous, Proof::Text, Proof::Plain, Proof::ScramSha256, Proof::ScramSha512,
          Proof::ScramSha256Plus, Proof::ScramSha512Plus, Proof::Certificate}) {
      CAPTURE(name(proof));
      const std::string among = " " + std::string{row.mechanisms} + " ";
      CHECK(directory.offers(proof) == among.contains(" " + std::string{name(proof)} + " "));
    }
  }
}

TEST_CASE("directory: decoys look like users, and stay as they are") {
  const auto make = [] {
    return test::directory({
        user("a", {verifier_text(Hash::Sha256, "x", 5000), verifier_text(Hash::Sha256, "old", 9000)}),
        user("b", {verifier_text(Hash::Sha256, "x", 5000)}),
        user("c", {verifier_text(Hash::Sha256, "x", 8000)}),
    });
  };
  const auto directory = make();
  const auto decoy = directory->decoy("ghost", Hash::Sha256);
  CHECK(decoy.iterations == 5000);  // what most users show, and not what they keep beside it
  CHECK(decoy.salt.size() == 16);
  CHECK(parse_verifier(format(decoy)).has_value());
  CHECK(format(decoy) == format(directory->decoy("ghost", Hash::Sha256)));
  CHECK(format(decoy) == format(make()->decoy("ghost", Hash::Sha256)));  // after a reload too
  CHECK(decoy.salt != directory->decoy("ghosu", Hash::Sha256).salt);
  CHECK(decoy.salt != directory->decoy("ghost", Hash::Sha512).salt.substr(0, 16));
  CHECK(directory->decoy("ghost", Hash::Sha512).iterations == kDefaultIterations);
  CHECK_FALSE(matches(decoy, ""));
  CHECK_FALSE(matches(decoy, "x"));
}

TEST_CASE("directory: decoys follow from the configured key, whoever the users are") {
  const auto a = user("a", {verifier_text(Hash::Sha256, "x")});
  const auto b = user("b", {verifier_text(Hash::Sha256, "y")});
  const auto decoy = [](std::vector<conf::User> users, std::string_view key) {
    auto config = with_users(std::move(users));
    config.login.decoy_key = conf::Secret{key};
    return format(Directory::build(config)->decoy("ghost", Hash::Sha256));
  };
  const std::string key(32, 'k');
  const auto first = decoy({a, b}, key);
  CHECK(decoy({a, b}, key) == first);
  CHECK(decoy({b, a}, key) == first);
  CHECK(decoy({a}, key) == first);
  CHECK(decoy({a, b}, std::string(32, 'K')) != first);
  CHECK(decoy({a, b}, "") != first);
  CHECK(decoy({a, b}, "") == decoy({b, a}, ""));
}

TEST_CASE("directory: users with the same roles share a policy") {
  auto config = with_users({user("a", {}), user("b", {}), user("c", {})});
  config.roles = {conf::Role{.place = {}, .name = "r", .allow = {}, .deny = {}},
                  conf::Role{.place = {}, .name = "s", .allow = {}, .deny = {}}};
  config.users[0].roles = {"r", "s"};
  config.users[1].roles = {"s", "r", "r"};
  config.users[2].roles = {"s"};
  const auto directory = Directory::build(config).value();
  CHECK(directory.find("a")->policy == directory.find("b")->policy);
  CHECK(directory.find("a")->policy != directory.find("c")->policy);
}

TEST_CASE("directory: where a user may log in from") {
  const auto directory = test::directory(
      {user("any", {}), user("office", {}, {"10.0.0.0/8", "fd00::/8"}), user("local", {}, {"127.0.0.0/8"})});
  const Peer unix_peer{.unix_socket = true, .ip = {}, .port = 0};
  CHECK(admits(*directory->find("any"), test::peer("192.0.2.1")));
  CHECK(admits(*directory->find("any"), unix_peer));
  CHECK(admits(*directory->find("office"), test::peer("10.255.0.1")));
  CHECK(admits(*directory->find("office"), test::peer("fd12::1")));
  CHECK_FALSE(admits(*directory->find("office"), test::peer("11.0.0.1")));
  CHECK_FALSE(admits(*directory->find("office"), test::peer("127.0.0.1")));
  CHECK(admits(*directory->find("office"), unix_peer));
}

// Invariant 7, by structure and not by a clock: what a refusal costs does not depend on the name.
TEST_CASE("check_password: every failure costs the same, whoever is named") {
  const auto directory = test::directory({
      user("both", {verifier_text(Hash::Sha256, "right", 5000), verifier_text(Hash::Sha512, "right", 5000)}),
      user("one", {verifier_text(Hash::Sha256, "right", 4096)}),
      user("rotated", {verifier_text(Hash::Sha256, "right", 4096), verifier_text(Hash::Sha256, "old", 6000)}),
      user("none", {}),
      user("office", {verifier_text(Hash::Sha256, "right", 4096)}, {"10.0.0.0/8"}),
  });
  for (const std::string_view name : {"both", "one", "rotated", "none", "office", "ghost", ""}) {
    for (const std::string_view password : {"wrong", "righ", "right "}) {
      CAPTURE(name);
      const auto before = iterations_done();
      const auto outcome = check_password(*directory, test::peer("192.0.2.1"), name, password, Proof::Text);
      CHECK(std::holds_alternative<Refused>(outcome));
      CHECK(iterations_done() - before == (4096 + 6000) + 5000);
    }
  }
  const auto before = iterations_done();
  CHECK(std::holds_alternative<Refused>(
      check_password(*directory, test::peer("192.0.2.1"), "office", "right", Proof::Text)));
  CHECK(iterations_done() - before == (4096 + 6000) + 5000);
}

TEST_CASE("check_password: any of a user's verifiers will do") {
  const auto directory =
      test::directory({user("a", {verifier_text(Hash::Sha512, "new"), verifier_text(Hash::Sha256, "old")})});
  for (const std::string_view password : {"new", "old"}) {
    CAPTURE(password);
    const auto outcome = check_password(*directory, test::peer("192.0.2.1"), "a", password, Proof::Plain);
    REQUIRE(std::holds_alternative<Granted>(outcome));
    CHECK(std::get<Granted>(outcome).identity.user == "a");
    CHECK(std::get<Granted>(outcome).identity.proof == Proof::Plain);
  }
}

TEST_CASE("check_password: says to the log why, and never the password") {
  const auto directory =
      test::directory({user("a", {verifier_text(Hash::Sha256, "pw")}, {"10.0.0.0/8"}), user("n", {})});
  struct Row {
    std::string_view from, name, password, reason;
  };
  for (const auto& row :
       {Row{"10.0.0.1", "a", "hunter2", "wrong password"},
        Row{"192.0.2.1", "a", "pw", "user may not log in from there"},
        Row{"10.0.0.1", "b", "hunter2", "unknown user"}, Row{"10.0.0.1", "n", "pw", "user has no password"},
        Row{"10.0.0.1", "a", "", "empty password"}}) {
    CAPTURE(row.reason);
    const auto outcome =
        check_password(*directory, test::peer(row.from), row.name, row.password, Proof::Text);
    REQUIRE(std::holds_alternative<Refused>(outcome));
    CHECK(std::get<Refused>(outcome).reason == row.reason);
    CHECK(std::get<Refused>(outcome).user == row.name);
  }
}

}  // namespace
}  // namespace mcgate::auth
