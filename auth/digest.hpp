// The primitives that credentials are made of: HMAC, hashes, random bytes; OpenSSL's, in our types.
// Any thread. They end the process if OpenSSL fails, which only a lack of memory or of entropy does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "auth/verifier.hpp"
#include "conf/secret.hpp"

namespace mcgate::auth {

// Bytes of a digest: 32 or 64.
std::size_t digest_size(Hash hash);

conf::Secret hmac(Hash hash, std::string_view key, std::string_view message);
conf::Secret digest(Hash hash, std::string_view message);
// PBKDF2 with HMAC, one digest long (RFC 5802's Hi).
conf::Secret pbkdf2(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations);
conf::Secret random_bytes(std::size_t count);

// The iterations that pbkdf2() has done on this thread, and the calls of hmac(): what a log-in costs, by
// which tests hold the unknown user to the price of the known one.
std::uint64_t iterations_done();
std::uint64_t hmacs_done();

}  // namespace mcgate::auth
