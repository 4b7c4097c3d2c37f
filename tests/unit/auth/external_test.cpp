// EXTERNAL: whom the connection shows, and nobody else.
#include <doctest/doctest.h>

#include "tests/unit/auth/sasl_fixture.hpp"

namespace mcgate::auth {
namespace {

using test::exchange;
using test::users;

SaslExchange external(std::string user, Proof proof = Proof::Certificate) {
  return SaslExchange{users(), test::peer("192.0.2.1"), Identity{std::move(user), proof}};
}

TEST_CASE("EXTERNAL: the client is who it is, whether it says so or not") {
  for (const std::string_view said : {"alice", ""}) {
    CAPTURE(said);
    auto exchange = external("alice");
    auto outcome = exchange.start(said);
    if (said.empty()) {
      REQUIRE(std::holds_alternative<Challenge>(outcome));  // no response at all and an empty one look alike
      outcome = exchange.step("");
    }
    REQUIRE(std::holds_alternative<Granted>(outcome));
    CHECK(std::get<Granted>(outcome).identity.user == "alice");
    CHECK(std::get<Granted>(outcome).identity.proof == Proof::Certificate);
    CHECK(std::holds_alternative<Refused>(exchange.step("")));
  }
}

TEST_CASE("EXTERNAL: the client is nobody else") {
  using namespace std::string_view_literals;
  for (const auto said : {"bob"sv, "alice\0"sv, "alice "sv, "alice\0bob"sv, "Alice"sv}) {
    CAPTURE(said);
    CHECK(std::holds_alternative<Refused>(external("alice").start(said)));
  }
  CHECK(std::holds_alternative<Refused>(external("nobody").start("nobody")));
  CHECK(std::holds_alternative<Refused>(external("office").start("office")));  // not from there
  CHECK(std::holds_alternative<Refused>(external("alice", Proof::Plain).start("alice")));
}

TEST_CASE("EXTERNAL is no mechanism for those whom nothing shows") {
  CHECK(std::holds_alternative<Refused>(exchange("EXTERNAL").start("alice")));
  CHECK_FALSE(proof_by("EXTERNAL"));
  CHECK(is_external("External"));
  CHECK_FALSE(is_external("EXTERNAL2"));
}

}  // namespace
}  // namespace mcgate::auth
