#include "auth/verifier.hpp"

#include <charconv>
#include <optional>
#include <utility>

#include "auth/digest.hpp"
#include "protocol/base64.hpp"

namespace mcgate::auth {
namespace {

constexpr std::size_t kSaltSize = 16;  // PostgreSQL's
constexpr std::size_t kMaxSaltSize = 64;

// Cuts `text` at the first `mark`: what is before it is returned, what is after it stays in `text`.
std::optional<std::string_view> cut(std::string_view& text, char mark) {
  const auto at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const auto head = text.substr(0, at);
  text.remove_prefix(at + 1);
  return head;
}

std::optional<Hash> hash_named(std::string_view scheme) {
  for (const Hash hash : {Hash::Sha256, Hash::Sha512}) {
    if (scheme == mechanism(hash)) return hash;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> parse_iterations(std::string_view text) {
  std::uint32_t value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || text.front() == '0') return std::nullopt;
  if (value < kMinIterations || value > kMaxIterations) return std::nullopt;
  return value;
}

std::optional<conf::Secret> decode_key(std::string_view text, Hash hash) {
  std::string key;
  const bool decoded = protocol::decode_base64(text, key);
  const bool fits = key.size() == digest_size(hash);
  conf::Secret secret{std::move(key)};
  if (!decoded || !fits) return std::nullopt;
  return secret;
}

}  // namespace

std::string_view mechanism(Hash hash) {
  switch (hash) {
    case Hash::Sha256:
      return "SCRAM-SHA-256";
    case Hash::Sha512:
      return "SCRAM-SHA-512";
  }
  std::unreachable();
}

std::expected<Verifier, std::string> parse_verifier(std::string_view text) {
  constexpr auto shape = "a secret must read SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>";
  const auto scheme = cut(text, '$');
  if (!scheme) return std::unexpected{shape};
  const auto hash = hash_named(*scheme);
  if (!hash) return std::unexpected{"a secret must begin with SCRAM-SHA-256$ or SCRAM-SHA-512$"};
  const auto iterations = cut(text, ':');
  const auto salt = cut(text, '$');
  const auto stored = cut(text, ':');
  if (!iterations || !salt || !stored) return std::unexpected{shape};

  Verifier verifier;
  verifier.hash = *hash;
  const auto count = parse_iterations(*iterations);
  if (!count) {
    return std::unexpected{"a secret's iterations must be a number from " + std::to_string(kMinIterations) +
                           " to " + std::to_string(kMaxIterations)};
  }
  verifier.iterations = *count;
  if (!protocol::decode_base64(*salt, verifier.salt) || verifier.salt.size() > kMaxSaltSize) {
    return std::unexpected{"a secret's salt must be 1 to " + std::to_string(kMaxSaltSize) +
                           " bytes in base64"};
  }
  auto stored_key = decode_key(*stored, *hash);
  auto server_key = decode_key(text, *hash);
  if (!stored_key || !server_key) {
    return std::unexpected{"a secret's StoredKey and ServerKey must be " +
                           std::to_string(digest_size(*hash)) + " bytes each in base64"};
  }
  verifier.stored_key = *std::move(stored_key);
  verifier.server_key = *std::move(server_key);
  return verifier;
}

std::string format(const Verifier& verifier) {
  std::string text{mechanism(verifier.hash)};
  text.reserve(text.size() + 256);  // in one piece: a string that grows leaves copies of keys behind
  text += '$';
  text += std::to_string(verifier.iterations);
  text += ':';
  protocol::encode_base64(verifier.salt, text);
  text += '$';
  protocol::encode_base64(verifier.stored_key.reveal(), text);
  text += ':';
  protocol::encode_base64(verifier.server_key.reveal(), text);
  return text;
}

std::string id_of(const Verifier& verifier) {
  constexpr std::size_t kBytes = 6;
  std::string message{mechanism(verifier.hash)};
  message.append(1, '$').append(std::to_string(verifier.iterations)).append(1, ':').append(verifier.salt);
  const auto hash = digest(Hash::Sha256, message);
  std::string id;
  for (const char c : hash.reveal().substr(0, kBytes)) {
    constexpr std::string_view digits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    id.append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
  }
  return id;
}

// RFC 5802 §3.
Verifier make_verifier(Hash hash, std::string_view password, std::uint32_t iterations,
                       std::string_view salt) {
  const auto salted = pbkdf2(hash, password, salt, iterations);
  const auto client_key = hmac(hash, salted.reveal(), "Client Key");
  return Verifier{.hash = hash,
                  .iterations = iterations,
                  .salt = std::string{salt},
                  .stored_key = digest(hash, client_key.reveal()),
                  .server_key = hmac(hash, salted.reveal(), "Server Key")};
}

std::string random_salt() {
  return std::string{random_bytes(kSaltSize).reveal()};
}

bool matches(const Verifier& verifier, std::string_view password) {
  // HMAC pads its key with NULs, so that "secret" and "secret\0" have the same verifier.
  if (password.contains('\0')) return false;
  const auto salted = pbkdf2(verifier.hash, password, verifier.salt, verifier.iterations);
  const auto client_key = hmac(verifier.hash, salted.reveal(), "Client Key");
  return digest(verifier.hash, client_key.reveal()) == verifier.stored_key;
}

}  // namespace mcgate::auth
