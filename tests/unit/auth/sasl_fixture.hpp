// Users, and exchanges with them over the real libsasl2.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "auth/sasl.hpp"
#include "tests/unit/auth/users.hpp"

namespace mcgate::auth::test {

// One for the whole program, as in mcgate itself.
inline SaslLibrary& library() {
  static const auto opened = SaslLibrary::open();
  REQUIRE_MESSAGE(opened.has_value(), (opened ? std::string{} : opened.error()));
  return **opened;
}

inline std::shared_ptr<const Directory> users() {
  library();
  static const auto made = [] {
    return test::directory({
        user("alice", {verifier_text(Hash::Sha256, "wonderland"), verifier_text(Hash::Sha512, "wonderland")}),
        user("bob@example.org",
             {verifier_text(Hash::Sha256, "builder"), verifier_text(Hash::Sha512, "builder")}),
        user("bob", {verifier_text(Hash::Sha256, "other"), verifier_text(Hash::Sha512, "other")}),
        user("office", {verifier_text(Hash::Sha256, "desk"), verifier_text(Hash::Sha512, "desk")},
             {"10.0.0.0/8"}),
        user("a,b=c", {verifier_text(Hash::Sha256, "comma"), verifier_text(Hash::Sha512, "comma")}),
        user("anonymous", {}),
    });
  }();
  return made;
}

inline SaslExchange exchange(std::string mechanism_name, bool may_send_password = true,
                             std::string_view from = "192.0.2.1") {
  return SaslExchange{users(), test::peer(from), std::move(mechanism_name), Channel{may_send_password}};
}

inline std::string granted(const Outcome& outcome) {
  const auto* found = std::get_if<Granted>(&outcome);
  return found != nullptr ? found->identity.user : "";
}
inline bool refused(const Outcome& outcome) {
  return std::holds_alternative<Refused>(outcome);
}
inline std::string challenge(const Outcome& outcome) {
  const auto* found = std::get_if<Challenge>(&outcome);
  return found != nullptr ? found->bytes : "";
}

// Over means over: nothing that is said afterwards brings a success.
inline void check_over(SaslExchange& one) {
  const auto good = std::string{"\0alice\0wonderland", 17};
  CHECK(refused(one.step("")));
  CHECK(refused(one.step(good)));
  CHECK(refused(one.start(good)));
  CHECK(refused(one.start("")));
}

}  // namespace mcgate::auth::test
