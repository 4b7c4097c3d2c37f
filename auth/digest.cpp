#include "auth/digest.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stdexcept>
#include <utility>

namespace mcgate::auth {
namespace {

thread_local std::uint64_t iterations_of_thread = 0;
thread_local std::uint64_t hmacs_of_thread = 0;

const EVP_MD* md(Hash hash) {
  switch (hash) {
    case Hash::Sha256:
      return EVP_sha256();
    case Hash::Sha512:
      return EVP_sha512();
  }
  std::unreachable();
}

// Going on without a digest would be going on with an unproven password.
void require(bool ok) {
  if (!ok) throw std::runtime_error{"OpenSSL refuses a digest"};
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace

std::size_t digest_size(Hash hash) {
  return static_cast<std::size_t>(EVP_MD_get_size(md(hash)));
}

conf::Secret hmac(Hash hash, std::string_view key, std::string_view message) {
  std::string out(digest_size(hash), '\0');
  require(HMAC(md(hash), key.data(), static_cast<int>(key.size()), bytes(message), message.size(), bytes(out),
               nullptr) != nullptr);
  ++hmacs_of_thread;
  return conf::Secret{std::move(out)};
}

conf::Secret digest(Hash hash, std::string_view message) {
  std::string out(digest_size(hash), '\0');
  require(EVP_Digest(message.data(), message.size(), bytes(out), nullptr, md(hash), nullptr) == 1);
  return conf::Secret{std::move(out)};
}

conf::Secret pbkdf2(Hash hash, std::string_view password, std::string_view salt, std::uint32_t iterations) {
  std::string out(digest_size(hash), '\0');
  require(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), bytes(salt),
                            static_cast<int>(salt.size()), static_cast<int>(iterations), md(hash),
                            static_cast<int>(out.size()), bytes(out)) == 1);
  iterations_of_thread += iterations;
  return conf::Secret{std::move(out)};
}

conf::Secret random_bytes(std::size_t count) {
  std::string out(count, '\0');
  require(RAND_bytes(bytes(out), static_cast<int>(count)) == 1);
  return conf::Secret{std::move(out)};
}

std::uint64_t iterations_done() {
  return iterations_of_thread;
}

std::uint64_t hmacs_done() {
  return hmacs_of_thread;
}

}  // namespace mcgate::auth
