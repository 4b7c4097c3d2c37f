#include "auth/sasl.hpp"

#include <doctest/doctest.h>
#include <sasl/sasl.h>

#include <array>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/auth/sasl_client.hpp"
#include "tests/unit/auth/sasl_fixture.hpp"
#include "tests/unit/auth/scram_client.hpp"

namespace mcgate::auth {
namespace {

using namespace std::string_literals;
using test::challenge;
using test::check_over;
using test::exchange;
using test::granted;
using test::refused;
using test::SaslClient;
using test::ScramClient;
using test::users;

TEST_CASE("PLAIN: good and bad messages") {
  struct Row {
    std::string message;
    std::string user;  // granted; empty: refused
  };
  const std::array rows{
      Row{"\0alice\0wonderland"s, "alice"},
      Row{"alice\0alice\0wonderland"s, "alice"},  // libmemcached's way
      Row{"\0bob@example.org\0builder"s, "bob@example.org"},
      Row{"bob@example.org\0bob@example.org\0builder"s, "bob@example.org"},
      Row{"\0bob\0other"s, "bob"},
      Row{"\0a,b=c\0comma"s, "a,b=c"},
      Row{"\0bob\0builder"s, ""},  // not the realm's bob
      Row{"\0bob@example.org\0other"s, ""},
      Row{"\0alice\0wonderlan"s, ""},
      Row{"\0alice\0wonderland "s, ""},
      Row{"\0alice\0Wonderland"s, ""},
      Row{"\0alice\0wonderland\0"s, ""},
      Row{"\0alice\0wonderland\0x"s, ""},
      Row{"\0alice\0"s, ""},
      Row{"\0alice"s, ""},
      Row{"\0\0wonderland"s, ""},
      Row{"\0\0"s, ""},
      Row{"\0"s, ""},
      Row{"alice"s, ""},
      Row{"alice\0wonderland"s, ""},
      Row{"\0Alice\0wonderland"s, ""},
      Row{"\0alic\0wonderland"s, ""},
      Row{"\0 alice\0wonderland"s, ""},
      Row{"\0alice \0wonderland"s, ""},
      Row{"\0alice\n\0wonderland"s, ""},
      Row{"\0alice@\0wonderland"s, ""},
      Row{"\0alice@localhost\0wonderland"s, ""},
      Row{"bob\0alice\0wonderland"s, ""},  // as another
      Row{"alice\0bob\0other"s, ""},
      Row{"Alice\0alice\0wonderland"s, ""},
      Row{"alice \0alice\0wonderland"s, ""},
      Row{"alice@localhost\0alice\0wonderland"s, ""},
      Row{"\0nobody\0wonderland"s, ""},
      Row{"\0anonymous\0"s, ""},
      Row{"\0anonymous\0x"s, ""},
      Row{"\0office\0desk"s, ""},  // from elsewhere
      Row{"\0"s + std::string(5000, 'u') + "\0x"s, ""},
      Row{"\0alice\0"s + std::string(5000, 'p'), ""},
      Row{"\0"s + std::string(300, 'u') + "\0wonderland"s, ""},
      Row{std::string(4096, '\0'), ""},
  };
  for (const auto& row : rows) {
    for (const bool at_once : {true, false}) {
      CAPTURE(row.message);
      CAPTURE(at_once);
      auto one = exchange("PLAIN");
      Outcome outcome;
      if (at_once) {
        outcome = one.start(row.message);
      } else {
        outcome = one.start("");
        REQUIRE(std::holds_alternative<Challenge>(outcome));
        CHECK(challenge(outcome).empty());
        outcome = one.step(row.message);
      }
      CHECK(granted(outcome) == row.user);
      CHECK(refused(outcome) == row.user.empty());
      if (!row.user.empty()) CHECK(std::get<Granted>(outcome).identity.proof == Proof::Plain);
      check_over(one);
    }
  }
}

TEST_CASE("PLAIN: a user from where it may come") {
  auto one = exchange("PLAIN", true, "10.1.2.3");
  CHECK(granted(one.start("\0office\0desk"s)) == "office");
}

TEST_CASE("PLAIN: not where passwords may not be sent") {
  auto one = exchange("PLAIN", false);
  CHECK(refused(one.start("\0alice\0wonderland"s)));
  check_over(one);
}

TEST_CASE("PLAIN: the log learns who and why, and not the password") {
  auto one = exchange("PLAIN");
  const auto outcome = one.start("\0alice\0hunter2"s);
  REQUIRE(refused(outcome));
  CHECK(std::get<Refused>(outcome).reason == "wrong password");
  CHECK(std::get<Refused>(outcome).user == "alice");
  auto other = exchange("PLAIN");
  CHECK(std::get<Refused>(other.start("\0ghost\0hunter2"s)).reason == "unknown user");
}

TEST_CASE("mechanisms: names are compared without case, and only those offered exist") {
  const auto first = "\0alice\0wonderland"s;
  for (const std::string name : {"plain", "Plain", "PLAIN"}) {
    CAPTURE(name);
    auto one = exchange(name);
    CHECK(granted(one.start(first)) == "alice");
  }
  for (const auto& name : {""s,
                           " "s,
                           "PLAIN "s,
                           " PLAIN"s,
                           "PLAIN\0"s,
                           "PLAIN SCRAM-SHA-256"s,
                           "PLAI"s,
                           "PLAINX"s,
                           "ANONYMOUS"s,
                           "LOGIN"s,
                           "CRAM-MD5"s,
                           "DIGEST-MD5"s,
                           "NTLM"s,
                           "EXTERNAL"s,
                           "GSSAPI"s,
                           "SCRAM-SHA-1"s,
                           "SCRAM-SHA-224"s,
                           "SCRAM-SHA-384"s,
                           "SCRAM-SHA-256-PLUS"s,
                           "SCRAM-SHA-512-PLUS"s,
                           std::string(33, 'A'),
                           std::string(5000, 'A')}) {
    CAPTURE(name);
    for (const auto& message : {first, ""s, "n,,n=alice,r=abcdefghijklmnop"s}) {
      auto one = exchange(name);
      CHECK(refused(one.start(message)));
      check_over(one);
    }
  }
}

TEST_CASE("exchange: a step before the start, and a second start, end it") {
  auto early = exchange("PLAIN");
  CHECK(refused(early.step("\0alice\0wonderland"s)));
  check_over(early);
  auto twice = exchange("PLAIN");
  REQUIRE(std::holds_alternative<Challenge>(twice.start("")));
  CHECK(refused(twice.start("\0alice\0wonderland"s)));
  check_over(twice);
}

TEST_CASE("libsasl2's client logs in with every mechanism, and picks the strongest") {
  users();
  REQUIRE(sasl_client_init(nullptr) == SASL_OK);
  for (const std::string mechanisms : {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}) {
    CAPTURE(mechanisms);
    CHECK(granted(SaslClient{"alice", "wonderland"}.log_in(mechanisms)) == "alice");
    CHECK(granted(SaslClient{"bob@example.org", "builder"}.log_in(mechanisms)) == "bob@example.org");
    CHECK(refused(SaslClient{"alice", "wonderlan"}.log_in(mechanisms)));
    CHECK(refused(SaslClient{"ghost", "wonderland"}.log_in(mechanisms)));
  }
  {
    SaslClient client{"alice", "wonderland"};
    CHECK(granted(client.log_in(users()->mechanisms(true, false))) == "alice");
    CHECK(client.mechanism == "SCRAM-SHA-512");
  }
  sasl_client_done();
}

TEST_CASE("many exchanges in several threads at once") {
  users();
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&wrong, t] {
        for (int i = 0; i < 10; ++i) {
          const bool right = (i + t) % 2 == 0;
          auto plain = exchange("PLAIN");
          if (granted(plain.start(right ? "\0alice\0wonderland"s : "\0bob\0wonderland"s)) !=
              (right ? "alice" : ""))
            ++wrong;
          ScramClient client{.user = t % 2 == 0 ? "alice" : "bob",
                             .password = t % 2 == 0 ? "wonderland" : "other"};
          if (!right) client.password = "wrong";
          auto scram = exchange("SCRAM-SHA-256");
          const auto first = challenge(scram.start(client.first()));
          auto outcome = scram.step(client.final_message(first));
          if (std::holds_alternative<Challenge>(outcome)) outcome = scram.step("");
          if (granted(outcome) != (right ? client.user : "")) ++wrong;
        }
      });
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("exchanges may be begun on one thread and go on on another, and be dropped half-way") {
  auto one = std::make_unique<SaslExchange>(users(), test::peer("192.0.2.1"), "SCRAM-SHA-256", Channel{});
  ScramClient client{.user = "alice", .password = "wonderland"};
  std::string first;
  std::jthread{[&] { first = challenge(one->start(client.first())); }}.join();
  REQUIRE_FALSE(first.empty());
  std::jthread{[&] {
    CHECK(std::holds_alternative<Challenge>(one->step(client.final_message(first))));
  }}.join();
  one.reset();
  CHECK(one == nullptr);
}

}  // namespace
}  // namespace mcgate::auth
