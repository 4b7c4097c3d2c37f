#include "auth/verifier.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

#include "auth/digest.hpp"
#include "protocol/base64.hpp"

namespace mcgate::auth {
namespace {

// RFC 7677 §3's exchange, as PostgreSQL would keep its password; and the same for SHA-512.
constexpr std::string_view kSha256 =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
constexpr std::string_view kSha512 =
    "SCRAM-SHA-512$4096:W22ZaJ0SNY7soEsUEjb6gQ==$6AAub3065EYRmyFpM2RNwqK+"
    "eGnrkYuEWbXn19LsEmBqzu8QaCXNc1FwpnX9NhH2"
    "hK/60dzj9DoO5DvVkOHbvg==:jZHbYjC1aHh0/hKbxyBuGFjDrgjgKTT1esA7awWiKcRZ0o/"
    "0b1yWEebBeSVkkCFewf91nLDfKF24mvD5nmE6"
    "rA==";

TEST_CASE("verifiers: known ones are read, written, derived and matched") {
  struct Row {
    std::string_view text;
    Hash hash;
  };
  for (const auto& row : {Row{kSha256, Hash::Sha256}, Row{kSha512, Hash::Sha512}}) {
    CAPTURE(row.text);
    const auto verifier = parse_verifier(row.text);
    REQUIRE(verifier.has_value());
    CHECK(verifier->hash == row.hash);
    CHECK(verifier->iterations == 4096);
    CHECK(format(*verifier) == row.text);
    CHECK(format(make_verifier(row.hash, "pencil", 4096, verifier->salt)) == row.text);
    CHECK(matches(*verifier, "pencil"));
  }
}

TEST_CASE("verifiers: the server signature of RFC 7677's exchange follows from them") {
  const auto verifier = parse_verifier(kSha256).value();
  constexpr std::string_view auth_message =
      "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
  std::string signature;
  protocol::encode_base64(hmac(Hash::Sha256, verifier.server_key.reveal(), auth_message).reveal(), signature);
  CHECK(signature == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

TEST_CASE("verifiers: no other password matches") {
  using namespace std::string_view_literals;
  const auto verifier = parse_verifier(kSha256).value();
  for (const auto password :
       {""sv, "penci"sv, "pencil "sv, "Pencil"sv, "pencil\0"sv, "pencil\0x"sv, "pencilpencil"sv}) {
    CAPTURE(password);
    CHECK_FALSE(matches(verifier, password));
  }
}

TEST_CASE("verifiers: what is not in PostgreSQL's form is refused, and not quoted") {
  const std::string good{kSha256};
  const auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  const std::array bad{
      std::string{},
      std::string{"pencil"},
      std::string{"$"},
      std::string{"SCRAM-SHA-256"},
      std::string{"SCRAM-SHA-256$4096"},
      std::string{"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ=="},
      with("SCRAM-SHA-256", "SCRAM-SHA-1"),
      with("SCRAM-SHA-256", "SCRAM-SHA-512"),  // its keys are too short for it
      with("SCRAM-SHA-256", "scram-sha-256"),
      with("SCRAM-SHA-256", " SCRAM-SHA-256"),
      with("4096", ""),
      with("4096", "4095"),
      with("4096", "0"),
      with("4096", "04096"),
      with("4096", "+4096"),
      with("4096", "-4096"),
      with("4096", " 4096"),
      with("4096", "4096 "),
      with("4096", "1000001"),
      with("4096", "4294971392"),  // 4096 if cut to 32 bits
      with("4096", "99999999999999999999"),
      with("W22ZaJ0SNY7soEsUEjb6gQ==", ""),
      with("W22ZaJ0SNY7soEsUEjb6gQ==", "W22ZaJ0SNY7soEsUEjb6gR=="),  // bits past the end
      with("W22ZaJ0SNY7soEsUEjb6gQ==", "W22ZaJ0SNY7soEsUEjb6gQ"),
      with("W22ZaJ0SNY7soEsUEjb6gQ==", std::string(88, 'A')),  // 66 bytes
      with("4qY=", "4q=="),
      with("4qY=", ""),
      with("l2dU=", "l2dV="),
      with("l2dU=", ""),
      good + "\n",
      good + "=",
      good + ":",
      good + std::string(1, '\0'),
  };
  for (const auto& row : bad) {
    CAPTURE(row);
    const auto verifier = parse_verifier(row);
    REQUIRE_FALSE(verifier.has_value());
    CHECK_FALSE(verifier.error().empty());
    CHECK(verifier.error().find("WG5d8oPm") == std::string::npos);
    CHECK(verifier.error().find("pencil") == std::string::npos);
  }
}

TEST_CASE("verifiers: salts are drawn anew") {
  const auto salt = random_salt();
  CHECK(salt.size() == 16);
  CHECK(salt != random_salt());
}

TEST_CASE("verifiers: deriving and matching cost their iterations") {
  const auto before = iterations_done();
  const auto verifier = make_verifier(Hash::Sha512, "pw", 5000, "salt");
  CHECK(iterations_done() - before == 5000);
  CHECK_FALSE(matches(verifier, "other"));
  CHECK(iterations_done() - before == 10'000);
}

}  // namespace
}  // namespace mcgate::auth
