// Several secrets of one user: which of them are good when, and which proved whom.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "auth/digest.hpp"
#include "auth/expiry.hpp"
#include "auth/last_use.hpp"
#include "tests/unit/auth/sasl_fixture.hpp"

namespace mcgate::auth {
namespace {

using namespace std::chrono_literals;
using test::directory;
using test::peer;
using test::verifier_text;

constexpr std::chrono::sys_seconds kEnd{1'800'000'000s};
const std::string kOld = verifier_text(Hash::Sha256, "old");
const std::string kNew = verifier_text(Hash::Sha256, "new");

conf::User rotating() {
  auto made = test::user("alice", {kNew, kOld});
  made.secrets[1].not_after = kEnd;
  return made;
}

std::string id(std::string_view text) {
  return id_of(parse_verifier(text).value());
}

std::uint64_t work_of(const Directory& users, std::string_view name, std::string_view password,
                      std::chrono::system_clock::time_point now) {
  const auto before = iterations_done();
  check_password(users, peer("192.0.2.1"), name, password, Proof::Plain, now);
  return iterations_done() - before;
}

TEST_CASE("rotation: a secret is good until it expires, and tells that it was it") {
  const auto users = directory({rotating()});
  const struct {
    std::string_view password;
    std::chrono::system_clock::time_point now;
    std::string secret;  // none: refused
  } rows[] = {{"new", kEnd - 1ms, id(kNew)}, {"new", kEnd + 24h, id(kNew)},
              {"old", kEnd - 1ms, id(kOld)}, {"old", kEnd, ""},
              {"old", kEnd + 1s, ""},        {"other", kEnd - 1s, ""}};
  for (const auto& row : rows) {
    CAPTURE(row.password);
    const auto outcome =
        check_password(*users, peer("192.0.2.1"), "alice", row.password, Proof::Text, row.now);
    const auto* granted = std::get_if<Granted>(&outcome);
    CHECK((granted != nullptr ? granted->identity.secret : "") == row.secret);
  }
}

TEST_CASE("rotation: the same work for wrong, unknown, expired, disabled and from elsewhere") {
  auto disabled = test::user("disabled", {kOld, kNew});
  disabled.enabled = false;
  auto expired = test::user("expired", {kOld, kNew});
  for (auto& secret : expired.secrets) secret.not_after = kEnd;
  const auto users = directory({rotating(), disabled, expired, test::user("empty", {}),
                                test::user("office", {kOld}, {"10.0.0.0/8"}),
                                test::user("both", {kOld, verifier_text(Hash::Sha512, "x")})});
  const auto expected = work_of(*users, "alice", "wrong", kEnd - 1s);
  CHECK(expected > 0);
  for (const std::string_view name : {"alice", "nobody", "disabled", "expired", "empty", "office", "both"}) {
    for (const std::string_view password : {"wrong", "old"}) {
      if (name == "both" && password == "old") continue;  // that is right
      CAPTURE(name);
      CAPTURE(password);
      CHECK(work_of(*users, name, password, kEnd) == expected);
    }
  }
}

TEST_CASE("rotation: why a log-in failed") {
  auto disabled = test::user("disabled", {kOld});
  disabled.enabled = false;
  auto expired = test::user("expired", {kOld});
  expired.secrets[0].not_after = kEnd;
  const auto users = directory({disabled, expired, rotating()});
  const struct {
    std::string_view name;
    std::string_view reason;
  } rows[] = {{"disabled", "user is not enabled"},
              {"expired", "user's passwords have expired"},
              {"alice", "wrong password"},
              {"nobody", "unknown user"}};
  for (const auto& row : rows) {
    const auto outcome = check_password(*users, peer("192.0.2.1"), row.name, "old", Proof::Text, kEnd);
    REQUIRE(test::refused(outcome));
    CHECK(std::get<Refused>(outcome).reason == row.reason);
  }
}

TEST_CASE("rotation: while saslauthd cannot be asked, whose secret was tried has guessed") {
  auto current = test::user("current", {kOld});
  auto expired = test::user("expired", {kOld});
  expired.secrets[0].not_after = kEnd;
  auto none = test::user("none", {});
  for (auto* user : {&current, &expired, &none}) user->password_source = conf::PasswordSource::Saslauthd;
  const auto users = directory({current, expired, none});  // which say nothing of where it is
  for (const std::string_view name : {"current", "expired", "none"}) {
    CAPTURE(name);
    const auto outcome = check_password(*users, peer("192.0.2.1"), name, "x", Proof::Text, kEnd);
    REQUIRE(test::refused(outcome));
    const auto& refused = std::get<Refused>(outcome);
    CHECK(refused.reason.starts_with("saslauthd cannot be asked: "));
    CHECK(refused.unjudged == (name != "current"));
  }
}

TEST_CASE("rotation: SCRAM goes by the named one, or the first, of those that are good") {
  const std::string third = verifier_text(Hash::Sha256, "third");
  const std::string sha512 = verifier_text(Hash::Sha512, "x");
  auto from = test::user("alice", {sha512, kNew, kOld, third});
  const auto shown = [&](std::chrono::system_clock::time_point now) {
    const auto users = directory({from});
    const auto* found = scram_secret(*users->find("alice"), Hash::Sha256, now);
    return found != nullptr ? found->id : "";
  };
  CHECK(shown(kEnd) == id(kNew));
  from.secrets[2].scram = true;
  CHECK(shown(kEnd) == id(kOld));
  from.secrets[2].not_after = kEnd;
  CHECK(shown(kEnd - 1s) == id(kOld));
  CHECK(shown(kEnd) == id(kNew));
  from.secrets[1].not_after = kEnd;
  CHECK(shown(kEnd) == id(third));
  from.secrets[3].not_after = kEnd;
  CHECK(shown(kEnd).empty());
}

TEST_CASE("rotation: decoys look like what users show, and what is offered is what they can use") {
  const auto built = [](std::vector<conf::User> users, std::chrono::system_clock::time_point now) {
    conf::Config config;
    config.users = std::move(users);
    return Directory::build(config, now).value();
  };
  const auto iterations = [](const Directory& users) {
    return users.decoy("ghost", Hash::Sha256).iterations;
  };
  const std::string cheap = verifier_text(Hash::Sha256, "cheap", 5000);
  const std::string dear = verifier_text(Hash::Sha256, "dear", 6000);
  auto named = test::user("alice", {cheap, dear});
  named.secrets[1].scram = true;
  CHECK(iterations(built({named}, kEnd)) == 6000);

  auto ends = test::user("alice", {cheap, dear});
  ends.secrets[0].not_after = kEnd;
  CHECK(iterations(built({ends}, kEnd - 1s)) == 5000);
  CHECK(iterations(built({ends}, kEnd)) == 6000);

  auto left = test::user("alice", {kNew, verifier_text(Hash::Sha512, "x")});
  left.secrets[1].not_after = kEnd;
  CHECK(built({left}, kEnd - 1s).mechanisms(true, false) == "PLAIN SCRAM-SHA-256 SCRAM-SHA-512");
  CHECK(built({left}, kEnd).mechanisms(true, false) == "PLAIN SCRAM-SHA-256");
  // Nobody's mechanism is taken away for who has none.
  auto gone = test::user("bob", {cheap});
  gone.secrets[0].not_after = kEnd;
  const auto others = built({test::user("alice", {kNew, verifier_text(Hash::Sha512, "x")}), gone}, kEnd);
  CHECK(others.mechanisms(true, false) == "PLAIN SCRAM-SHA-256 SCRAM-SHA-512");
  CHECK(iterations(others) == kMinIterations);
}

TEST_CASE("rotation: what is ambiguous is refused") {
  const auto problem = [](conf::User user) {
    conf::Config config;
    config.users = {std::move(user)};
    const auto built = Directory::build(config);
    return built ? std::string{} : conf::format(built.error().front());
  };
  auto twice = test::user("alice", {kOld, kNew});
  for (auto& secret : twice.secrets) secret.scram = true;
  CHECK(problem(twice).contains(":11:3: user \"alice\" has two secrets with scram = true for SCRAM-SHA-256"));
  CHECK(problem(test::user("alice", {kOld, kOld})).contains("same salt"));
  auto each = test::user("alice", {kOld, verifier_text(Hash::Sha512, "old")});
  for (auto& secret : each.secrets) secret.scram = true;
  CHECK(problem(each).empty());
}

TEST_CASE("rotation: an id says nothing of the keys") {
  auto verifier = parse_verifier(kOld).value();
  const auto before = id_of(verifier);
  CHECK(before.size() == 12);
  verifier.stored_key = random_bytes(32);
  verifier.server_key = random_bytes(32);
  CHECK(id_of(verifier) == before);
  verifier.salt += "x";
  CHECK(id_of(verifier) != before);
}

TEST_CASE("rotation: the check warns of what has expired or soon will") {
  conf::Config config;
  config.file = "f";
  config.users = {rotating(), rotating()};
  config.users[1].enabled = false;
  const auto said = [&](std::chrono::system_clock::time_point now) {
    std::string all;
    for (const auto& warning : expiry_warnings(config, now)) all += conf::format(warning) + "\n";
    return all;
  };
  CHECK(said(kEnd - kSoon - 1s).empty());
  CHECK(said(kEnd - kSoon) ==
        "f:11:3: warning: user \"alice\": this secret expires soon, at 2027-01-15T08:00:00Z\n");
  CHECK(said(kEnd) == "f:11:3: warning: user \"alice\": this secret expired at 2027-01-15T08:00:00Z\n");
  config.users[0].secrets[0].not_after = kEnd - 1s;
  CHECK(said(kEnd).contains("no password is good any more"));
}

TEST_CASE("rotation: last uses are kept by secret, across configurations") {
  LastUse last_use;
  last_use.note("alice", id(kOld), kEnd);
  last_use.note("alice", id(kNew), kEnd + 1s);
  last_use.note("alice", id(kOld), kEnd + 2s);
  CHECK(last_use.of("alice", id(kOld)) == kEnd + 2s);
  CHECK(last_use.of("alice", id(kNew)) == kEnd + 1s);
  CHECK_FALSE(last_use.of("bob", id(kNew)).has_value());
  last_use.forget_all_but(*directory({test::user("alice", {kNew})}));
  CHECK_FALSE(last_use.of("alice", id(kOld)).has_value());
  CHECK(last_use.of("alice", id(kNew)).has_value());
}

}  // namespace
}  // namespace mcgate::auth
