// Bytes that must not leak: a password, a stored key. Cannot be printed, and is wiped when it dies.
#pragma once

#include <openssl/crypto.h>

#include <string>
#include <string_view>
#include <utility>

namespace mcgate::conf {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes) : bytes_{bytes} {}
  // Takes the bytes over and wipes what is left behind in `bytes` (a small string's own storage).
  explicit Secret(std::string&& bytes) : bytes_{std::move(bytes)} { wipe(bytes); }
  Secret(const Secret& other) = default;
  Secret(Secret&& other) noexcept : bytes_{std::move(other.bytes_)} { wipe(other.bytes_); }
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      wipe(bytes_);
      bytes_ = other.bytes_;
    }
    return *this;
  }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      wipe(bytes_);
      bytes_ = std::move(other.bytes_);
      wipe(other.bytes_);
    }
    return *this;
  }
  ~Secret() { wipe(bytes_); }

  // The bytes themselves, for the one who must use them; do not copy into anything but a Secret.
  std::string_view reveal() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }

  // In constant time for equal lengths; the length itself is not secret.
  friend bool operator==(const Secret& a, const Secret& b) {
    return a.bytes_.size() == b.bytes_.size() &&
           CRYPTO_memcmp(a.bytes_.data(), b.bytes_.data(), a.bytes_.size()) == 0;
  }

 private:
  static void wipe(std::string& bytes) {
    bytes.resize(bytes.capacity());
    OPENSSL_cleanse(bytes.data(), bytes.size());
    bytes.clear();
  }

  std::string bytes_;
};

}  // namespace mcgate::conf
