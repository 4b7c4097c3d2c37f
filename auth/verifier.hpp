// SCRAM verifiers in PostgreSQL's format: what is kept of a password. One serves SCRAM, PLAIN and the text
// log-in alike (RFC 5802 §3: StoredKey, ServerKey).
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "conf/secret.hpp"

namespace mcgate::auth {

enum class Hash : std::uint8_t { Sha256, Sha512 };
// "SCRAM-SHA-256": the SASL mechanism of a hash, with which its verifiers begin.
std::string_view mechanism(Hash hash);

struct Verifier {
  Hash hash = Hash::Sha256;
  std::uint32_t iterations = 0;
  std::string salt;         // raw bytes
  conf::Secret stored_key;  // raw bytes
  conf::Secret server_key;  // raw bytes
};

// A verifier as one of a user's secrets.
struct UserVerifier : Verifier {
  std::string id;  // tells it from the others, in logs and lists; says nothing of the password
  std::optional<std::chrono::sys_seconds> not_after = std::nullopt;
  bool for_scram = false;

  bool is_live(std::chrono::system_clock::time_point now) const { return !not_after || now < *not_after; }
};
// Twelve hexadecimal digits, made from what SCRAM shows to anyone: hash, iterations and salt.
std::string id_of(const Verifier& verifier);

inline constexpr std::uint32_t kDefaultIterations = 16'384;
inline constexpr std::uint32_t kMinIterations = 4096;       // RFC 7677 §4
inline constexpr std::uint32_t kMaxIterations = 1'000'000;  // more is a denial of service on ourselves

// "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", base64 in canonical form. The error says
// what is wrong without quoting the text.
std::expected<Verifier, std::string> parse_verifier(std::string_view text);
std::string format(const Verifier& verifier);

// Derives the verifier of a password (PBKDF2; takes milliseconds: never on a worker's thread).
Verifier make_verifier(Hash hash, std::string_view password, std::uint32_t iterations, std::string_view salt);
// Sixteen random bytes.
std::string random_salt();

// Derives and compares in constant time. As slow as make_verifier. No password with a NUL matches.
bool matches(const Verifier& verifier, std::string_view password);

}  // namespace mcgate::auth
