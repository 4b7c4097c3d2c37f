// SCRAM as libsasl2 serves it, spoken to by a client that can misbehave.
#include <doctest/doctest.h>

#include <array>
#include <string>

#include "auth/digest.hpp"
#include "auth/sasl.hpp"
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
using test::ScramClient;

struct ScramRow {
  Hash hash;
  std::string mechanism;
  Proof proof;
};
const std::array kScram{ScramRow{Hash::Sha256, "SCRAM-SHA-256", Proof::ScramSha256},
                        ScramRow{Hash::Sha512, "scram-sha-512", Proof::ScramSha512}};

TEST_CASE("SCRAM: ends with the server's signature as a challenge, then an empty step") {
  struct Row {
    std::string name_sent, user, password, gs2;
  };
  for (const auto& scram : kScram) {
    for (const auto& row :
         {Row{"alice", "alice", "wonderland", "n,,"}, Row{"alice", "alice", "wonderland", "n,a=alice,"},
          Row{"alice", "alice", "wonderland", "y,,"},
          Row{"bob@example.org", "bob@example.org", "builder", "n,a=bob@example.org,"},
          Row{"a=2Cb=3Dc", "a,b=c", "comma", "n,,"}}) {
      CAPTURE(scram.mechanism);
      CAPTURE(row.gs2);
      const ScramClient client{
          .hash = scram.hash, .user = row.name_sent, .password = row.password, .gs2 = row.gs2};
      auto one = exchange(scram.mechanism, false);  // no password is sent: fine without TLS
      const auto first = challenge(one.start(client.first()));
      REQUIRE(first.starts_with("r=" + client.nonce));
      CHECK(first.ends_with(",i=4096"));
      const auto final = one.step(client.final_message(first));
      REQUIRE(std::holds_alternative<Challenge>(final));
      CHECK(challenge(final) == client.server_final(first));
      const auto outcome = one.step("");
      REQUIRE(granted(outcome) == row.user);
      CHECK(std::get<Granted>(outcome).identity.proof == scram.proof);
      check_over(one);
    }
  }
}

TEST_CASE("SCRAM: an unknown user and one from elsewhere look like a wrong password") {
  for (const auto& scram : kScram) {
    for (const std::string name : {"alice", "ghost", "office", "anonymous"}) {
      CAPTURE(name);
      const ScramClient client{
          .hash = scram.hash, .user = name, .password = name == "office" ? "desk" : "wrong"};
      auto one = exchange(scram.mechanism);
      const auto first = challenge(one.start(client.first()));
      REQUIRE(first.starts_with("r=" + client.nonce));
      CHECK(ScramClient::attribute(first, "s=").size() == 24);
      CHECK(ScramClient::attribute(first, "i=") == "4096");
      auto again = exchange(scram.mechanism);
      CHECK(ScramClient::attribute(challenge(again.start(client.first())), "s=") ==
            ScramClient::attribute(first, "s="));
      CHECK(refused(one.step(client.final_message(first))));
      check_over(one);
    }
  }
  const ScramClient client{.user = "office", .password = "desk"};
  auto inside = exchange("SCRAM-SHA-256", true, "10.0.0.1");
  const auto first = challenge(inside.start(client.first()));
  REQUIRE(std::holds_alternative<Challenge>(inside.step(client.final_message(first))));
  CHECK(granted(inside.step("")) == "office");
}

// Invariant 7, by structure and not by a clock: what the first answer costs does not depend on the name.
TEST_CASE("SCRAM: the first answer costs the same, whoever is named") {
  for (const auto& scram : kScram) {
    const auto cost = [&](const std::string& name) {
      const ScramClient client{.hash = scram.hash, .user = name, .password = "wrong"};
      auto one = exchange(scram.mechanism);
      const auto hmacs = hmacs_done();
      const auto iterations = iterations_done();
      REQUIRE(challenge(one.start(client.first())).starts_with("r=" + client.nonce));
      CHECK(iterations_done() == iterations);
      return hmacs_done() - hmacs;
    };
    const auto unknown = cost("ghost");
    CHECK(unknown > 0);
    for (const std::string name : {"alice", "bob", "office", "anonymous", "alicf"}) {
      CAPTURE(scram.mechanism);
      CAPTURE(name);
      CHECK(cost(name) == unknown);
    }
  }
}

TEST_CASE("SCRAM: bad first messages") {
  const std::array bad{
      "n,,n=alice"s,
      "n,,r=rOprNGfwEbeRWgbNEkqO"s,
      "n,,n=,r=rOprNGfwEbeRWgbNEkqO"s,
      "n,,n=al=ice,r=rOprNGfwEbeRWgbNEkqO"s,
      "n,,n=alice\0,r=rOprNGfwEbeRWgbNEkqO"s,
      "n,,n= alice,r=rOprNGfwEbeRWgbNEkqO"s,
      "n,,m=ext,n=alice,r=rOprNGfwEbeRWgbNEkqO"s,
      "x,,n=alice,r=rOprNGfwEbeRWgbNEkqO"s,
      "n"s,
      "n,"s,
      "n,,"s,
      ","s,
      "\0"s,
      "\0alice\0wonderland"s,
      std::string(4097, 'n'),
      "n,,n="s + std::string(4000, 'u') + ",r=abcdefghijklmnop",
      "n,,n="s + std::string(256, 'u') + ",r=abcdefghijklmnop",
  };
  for (const auto& message : bad) {
    CAPTURE(message);
    auto one = exchange("SCRAM-SHA-256");
    CHECK(refused(one.start(message)));
    check_over(one);
    auto later = exchange("SCRAM-SHA-256");
    REQUIRE(std::holds_alternative<Challenge>(later.start("")));
    CHECK(refused(later.step(message)));
    check_over(later);
  }
}

TEST_CASE("SCRAM: bad final messages, and no way back from them") {
  const auto run = [](const std::string& what, auto&& spoil) {
    CAPTURE(what);
    const ScramClient client{.user = "alice", .password = "wonderland"};
    auto one = exchange("SCRAM-SHA-256");
    const auto first = challenge(one.start(client.first()));
    REQUIRE_FALSE(first.empty());
    const auto good = client.final_message(first);
    CHECK(refused(one.step(spoil(client, first, good))));
    CHECK(refused(one.step(good)));
    check_over(one);
  };
  using Client = const ScramClient&;
  using Text = const std::string&;
  run("nothing", [](Client, Text, Text) { return ""s; });
  run("a nonce that is not the server's",
      [](Client client, Text first, Text) { return client.final_message(first, client.nonce + "x"); });
  run("the client's nonce alone",
      [](Client client, Text first, Text) { return client.final_message(first, client.nonce); });
  run("a longer nonce", [](Client client, Text first, Text) {
    return client.final_message(first, ScramClient::attribute(first, "r=") + "A");
  });
  run("another channel binding header, proven", [](Client, Text first, Text) {
    const ScramClient other{.user = "alice", .password = "wonderland", .gs2 = "y,,"};
    return other.final_message(first);
  });
  run("channel binding from nowhere", [](Client, Text first, Text) {
    const ScramClient other{.user = "alice", .password = "wonderland", .gs2 = "p=tls-unique,,data"};
    return other.final_message(first);
  });
  run("an authzid slipped in", [](Client, Text first, Text) {
    const ScramClient other{.user = "alice", .password = "wonderland", .gs2 = "n,a=bob,"};
    return other.final_message(first);
  });
  run("another user's proof", [](Client, Text first, Text) {
    const ScramClient other{.user = "alice", .password = "other"};
    return other.final_message(first);
  });
  run("without proof", [](Client, Text, Text good) { return good.substr(0, good.find(",p=")); });
  run("with an empty proof", [](Client, Text, Text good) { return good.substr(0, good.find(",p=") + 3); });
  run("cut short", [](Client, Text, Text good) { return good.substr(0, good.size() - 5); });
  run("a bit changed", [](Client, Text, Text good) {
    auto spoilt = good;
    auto& letter = spoilt[spoilt.size() - 10];
    letter = letter == 'A' ? 'B' : 'A';
    return spoilt;
  });
  run("a long proof", [](Client, Text, Text good) { return good + std::string(3000, 'A'); });
  run("a huge message", [](Client, Text, Text good) { return good + std::string(5000, 'A'); });
  run("the first message again", [](Client client, Text, Text) { return client.first(); });
}

// libsasl2 answers the first message, fails the second, and would grant a third (protocol-reference §5).
TEST_CASE("SCRAM: channel binding that nobody offered") {
  for (const std::string gs2 : {"p=tls-unique,,", "p=tls-exporter,,", "p=,,"}) {
    for (const std::string data : {"", "data"}) {
      CAPTURE(gs2);
      CAPTURE(data);
      const ScramClient client{.user = "alice", .password = "wonderland", .gs2 = gs2};
      auto one = exchange("SCRAM-SHA-256");
      const auto first = challenge(one.start(client.first()));
      if (first.empty()) continue;
      const ScramClient bound{.user = "alice", .password = "wonderland", .gs2 = gs2 + data};
      CHECK(refused(one.step(bound.final_message(first))));
      check_over(one);
    }
  }
}

TEST_CASE("SCRAM: acting for another is refused even with the right password") {
  const ScramClient client{.user = "alice", .password = "wonderland", .gs2 = "n,a=bob,"};
  auto one = exchange("SCRAM-SHA-256");
  auto outcome = one.start(client.first());
  if (const auto first = challenge(outcome); !first.empty()) {
    outcome = one.step(client.final_message(first));
    if (std::holds_alternative<Challenge>(outcome)) outcome = one.step("");
  }
  CHECK(refused(outcome));
  check_over(one);
}

TEST_CASE("SCRAM: the last empty step may not be skipped, nor filled") {
  const ScramClient client{.user = "alice", .password = "wonderland"};
  auto one = exchange("SCRAM-SHA-256");
  const auto first = challenge(one.start(client.first()));
  REQUIRE(std::holds_alternative<Challenge>(one.step(client.final_message(first))));
  CHECK_FALSE(granted(one.step("x")) == "bob");
  check_over(one);
}

TEST_CASE("SCRAM: a proof is good for one exchange only") {
  const ScramClient client{.user = "alice", .password = "wonderland"};
  auto one = exchange("SCRAM-SHA-256");
  const auto recorded = client.final_message(challenge(one.start(client.first())));
  auto other = exchange("SCRAM-SHA-256");
  REQUIRE_FALSE(challenge(other.start(client.first())).empty());
  CHECK(refused(other.step(recorded)));
}

}  // namespace
}  // namespace mcgate::auth
