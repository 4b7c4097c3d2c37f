// SCRAM bound to its connection, and what a client may say about that (RFC 5802 §6).
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "auth/digest.hpp"
#include "auth/sasl.hpp"
#include "tests/unit/auth/sasl_client.hpp"
#include "tests/unit/auth/sasl_fixture.hpp"
#include "tests/unit/auth/scram_client.hpp"

namespace mcgate::auth {
namespace {

using namespace std::string_literals;
using test::challenge;
using test::check_over;
using test::granted;
using test::refused;
using test::SaslClient;
using test::ScramClient;
using test::users;

// With a NUL in it, and a comma: the data is no text.
const std::string kExported = "exported\0,bytes"s;
const std::string kDigest = "digest of a certificate"s;

Channel tls() {
  return {.may_send_password = true,
          .bindings = {{"tls-exporter", kExported}, {"tls-server-end-point", kDigest}}};
}

SaslExchange log_in_by(std::string_view mechanism, Channel channel,
                       std::shared_ptr<const Directory> directory = users()) {
  return SaslExchange{std::move(directory), test::peer("192.0.2.1"), mechanism, std::move(channel)};
}

// What the exchange comes to for a client that begins with `gs2` and later repeats `gs2` and `data`.
Outcome outcome_of(SaslExchange& one, std::string gs2, const std::string& data = {},
                   const std::string& password = "wonderland", Hash hash = Hash::Sha256,
                   const std::string& user = "alice") {
  ScramClient client{.hash = hash, .user = user, .password = password, .gs2 = std::move(gs2)};
  auto outcome = one.start(client.first());
  if (!std::holds_alternative<Challenge>(outcome)) return outcome;
  const std::string first = challenge(outcome);
  client.gs2 += data;
  outcome = one.step(client.final_message(first));
  if (!std::holds_alternative<Challenge>(outcome)) return outcome;
  CHECK(challenge(outcome) == client.server_final(first));
  return one.step("");
}

struct Hashed {
  Hash hash;
  std::string mechanism;
  Proof proof, bound;
};
const std::array kHashes{Hashed{Hash::Sha256, "SCRAM-SHA-256", Proof::ScramSha256, Proof::ScramSha256Plus},
                         Hashed{Hash::Sha512, "SCRAM-SHA-512", Proof::ScramSha512, Proof::ScramSha512Plus}};

TEST_CASE("channel binding: granted if it is this connection's, by either name of the mechanism") {
  for (const auto& [hash, mechanism, proof, bound_proof] : kHashes) {
    for (const std::string& name :
         {mechanism, mechanism + "-PLUS", "scram"s + mechanism.substr(5) + "-plus"}) {
      for (const auto& [type, data] : tls().bindings) {
        for (const std::string authzid : {"", "a=alice"}) {
          CAPTURE(name);
          CAPTURE(type);
          auto one = log_in_by(name, tls());
          const auto outcome = outcome_of(one, "p="s + type + "," + authzid + ",", data, "wonderland", hash);
          REQUIRE(granted(outcome) == "alice");
          CHECK(std::get<Granted>(outcome).identity.proof == bound_proof);
          CHECK(one.proof() == bound_proof);
          check_over(one);
        }
      }
    }
    auto unbound_one = log_in_by(mechanism, tls());
    const auto outcome = outcome_of(unbound_one, "n,,", {}, "wonderland", hash);
    REQUIRE(granted(outcome) == "alice");
    CHECK(std::get<Granted>(outcome).identity.proof == proof);
  }
}

TEST_CASE("channel binding: what is refused, whatever the password") {
  struct Row {
    std::string what, mechanism, gs2, data;
    bool on_tls = true;
  };
  for (const Row& row : {
           Row{"another connection's", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "exported\0,bytez"s},
           Row{"one cut short", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", "exported"},
           Row{"one too long", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", kExported + "x"},
           Row{"none after all", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", ""},
           Row{"another kind's", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", kDigest},
           Row{"another connection's by the other name", "SCRAM-SHA-256", "p=tls-exporter,,", kDigest},
           Row{"a kind that is not offered", "SCRAM-SHA-256-PLUS", "p=tls-unique,,", kExported},
           Row{"a kind in capitals", "SCRAM-SHA-256-PLUS", "p=TLS-EXPORTER,,", kExported},
           Row{"a beginning of a kind", "SCRAM-SHA-256-PLUS", "p=tls-export,,", kExported},
           Row{"a kind without a name", "SCRAM-SHA-256-PLUS", "p=,,", kExported},
           Row{"a NUL behind the kind", "SCRAM-SHA-256-PLUS", "p=tls-exporter\0,,"s, kExported},
           Row{"chosen and not used", "SCRAM-SHA-256-PLUS", "n,,", ""},
           Row{"chosen and said not to be there", "SCRAM-SHA-256-PLUS", "y,,", ""},
           Row{"taken off the list by somebody", "SCRAM-SHA-256", "y,,", ""},
           Row{"taken off the list, with data", "SCRAM-SHA-256", "y,,", kExported},
           Row{"nothing that we know", "SCRAM-SHA-256", "x,,", ""},
           Row{"not even a flag", "SCRAM-SHA-256", ",,", ""},
           Row{"two of them", "SCRAM-SHA-256-PLUS", "np=tls-exporter,,", kExported},
           Row{"without TLS", "SCRAM-SHA-256-PLUS", "p=tls-exporter,,", kExported, false},
           Row{"without TLS by the other name", "SCRAM-SHA-256", "p=tls-exporter,,", kExported, false},
           Row{"without TLS, chosen and not used", "SCRAM-SHA-256-PLUS", "n,,", "", false},
           Row{"without TLS, of an empty kind", "SCRAM-SHA-256", "p=,,", "", false},
       }) {
    CAPTURE(row.what);
    for (const std::string password : {"wonderland", "wrong"}) {
      auto one = log_in_by(row.mechanism, row.on_tls ? tls() : Channel{.may_send_password = true});
      CHECK(refused(outcome_of(one, row.gs2, row.data, password)));
      check_over(one);
    }
  }
}

TEST_CASE("channel binding: a client that does not see it may say so where it is not offered") {
  auto plain = log_in_by("SCRAM-SHA-256", {});
  CHECK(granted(outcome_of(plain, "y,,")) == "alice");
  conf::Config config;
  config.users = {test::user("alice", {test::verifier_text(Hash::Sha256, "wonderland")})};
  config.login.mechanisms = {"PLAIN", "SCRAM-SHA-256"};
  const auto without = std::make_shared<const Directory>(Directory::build(config).value());
  auto turned_off = log_in_by("SCRAM-SHA-256", tls(), without);
  CHECK(granted(outcome_of(turned_off, "y,,")) == "alice");
  Channel hidden = tls();
  hidden.lists_bindings = false;
  auto not_shown = log_in_by("SCRAM-SHA-256", hidden);
  CHECK(granted(outcome_of(not_shown, "y,,")) == "alice");
  auto bound_all_the_same = log_in_by("SCRAM-SHA-256", hidden);
  CHECK(granted(outcome_of(bound_all_the_same, "p=tls-exporter,,", kExported)) == "alice");
  for (const std::string name : {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) {
    auto unoffered = log_in_by(name, tls(), without);
    CHECK(refused(outcome_of(unoffered, "p=tls-exporter,,", kExported)));
    check_over(unoffered);
  }
}

TEST_CASE("channel binding: nothing else is taken where nothing else is configured") {
  conf::Config config;
  config.users = {test::user("alice", {test::verifier_text(Hash::Sha256, "wonderland")})};
  config.login.mechanisms = {"SCRAM-SHA-256-PLUS"};
  const auto only = std::make_shared<const Directory>(Directory::build(config).value());
  for (const std::string name : {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) {
    auto bound_one = log_in_by(name, tls(), only);
    CHECK(granted(outcome_of(bound_one, "p=tls-exporter,,", kExported)) == "alice");
    for (const std::string gs2 : {"n,,", "y,,"}) {
      auto unbound_one = log_in_by(name, tls(), only);
      CHECK(refused(outcome_of(unbound_one, gs2)));
    }
    auto without_tls = log_in_by(name, {}, only);
    CHECK(refused(without_tls.start("")));
  }
}

TEST_CASE("channel binding: the first message may come as an answer, and says so only once") {
  const ScramClient client{.user = "alice", .password = "wonderland", .gs2 = "p=tls-exporter,,"};
  auto one = log_in_by("SCRAM-SHA-256-PLUS", tls());
  REQUIRE(challenge(one.start("")).empty());
  const auto first = challenge(one.step(client.first()));
  ScramClient with_data = client;
  with_data.gs2 += kExported;
  REQUIRE(std::holds_alternative<Challenge>(one.step(with_data.final_message(first))));
  CHECK(granted(one.step("")) == "alice");

  auto twice = log_in_by("SCRAM-SHA-256-PLUS", tls());
  REQUIRE_FALSE(challenge(twice.start(client.first())).empty());
  CHECK(refused(twice.step("n,,n=alice,r=rOprNGfwEbeRWgbNEkqO")));
  auto late = log_in_by("SCRAM-SHA-256-PLUS", tls());
  REQUIRE(std::holds_alternative<Challenge>(late.start("")));
  CHECK(refused(late.step("")));
}

// Invariant 7: as without it (scram_test.cpp).
TEST_CASE("channel binding: the first answer costs the same, whoever is named, and a decoy is bound alike") {
  const auto cost = [&](const std::string& name) {
    const ScramClient client{.user = name, .password = "wrong", .gs2 = "p=tls-exporter,,"};
    auto one = log_in_by("SCRAM-SHA-256-PLUS", tls());
    const auto hmacs = hmacs_done();
    REQUIRE(challenge(one.start(client.first())).starts_with("r=" + client.nonce));
    return hmacs_done() - hmacs;
  };
  const auto unknown = cost("ghost");
  CHECK(unknown > 0);
  for (const std::string name : {"alice", "bob", "office", "anonymous"}) CHECK(cost(name) == unknown);
  for (const std::string name : {"alice", "ghost"}) {
    for (const auto& data : {kExported, kDigest}) {
      auto one = log_in_by("SCRAM-SHA-256-PLUS", tls());
      const auto outcome = outcome_of(one, "p=tls-exporter,,", data, "wrong", Hash::Sha256, name);
      REQUIRE(refused(outcome));
      CHECK(std::get<Refused>(outcome).user == name);
    }
  }
}

TEST_CASE("channel binding: libsasl2's own client binds where it can, and goes on without where it cannot") {
  users();
  REQUIRE(sasl_client_init(nullptr) == SASL_OK);
  const std::string list = users()->mechanisms(true, true);
  for (const auto& binding : tls().bindings) {
    SaslClient client{"alice", "wonderland"};
    client.can_bind_to(binding);
    const auto outcome = client.log_in(list, tls());
    REQUIRE(granted(outcome) == "alice");
    CHECK(is_bound(std::get<Granted>(outcome).identity.proof));
    CHECK(client.first_message.starts_with("p="s + binding.type + ","));
    CHECK_FALSE(client.mechanism.ends_with("-PLUS"));  // why that name is taken for both
  }
  {
    SaslClient client{"alice", "wonderland"};
    client.can_bind_to({"tls-exporter", kDigest});
    CHECK(refused(client.log_in(list, tls())));
  }
  {
    SaslClient client{"alice", "wonderland"};  // as libmemcached's, which knows no TLS
    const auto outcome = client.log_in(list, tls());
    REQUIRE(granted(outcome) == "alice");
    CHECK(client.first_message.starts_with("n,"));
  }
  {
    SaslClient client{"alice", "wonderland"};  // before whom somebody has cut the list
    client.can_bind_to(tls().bindings[0]);
    CHECK(refused(client.log_in(users()->mechanisms(true, false), tls())));
    CHECK(client.first_message.starts_with("y,"));
  }
  {
    SaslClient client{"alice", "wonderland"};
    client.can_bind_to(tls().bindings[0]);
    CHECK(granted(client.log_in(users()->mechanisms(true, false), {.may_send_password = true})) == "alice");
  }
  sasl_client_done();
}

}  // namespace
}  // namespace mcgate::auth
