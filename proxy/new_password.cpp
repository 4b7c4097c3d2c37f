#include "proxy/new_password.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "auth/digest.hpp"
#include "protocol/base64.hpp"

namespace mcgate::proxy {
namespace {

// Two more than are allowed: for a carriage return, and so that what is too long is seen to be, and not cut.
struct Buffer {
  std::array<char, kMaxPassword + 2> bytes{};
  std::size_t size = 0;
  ~Buffer() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
};

// OpenSSL's own prompt: it gives the terminal its echo back, whatever signal comes.
bool ask(Buffer& buffer) {
  if (EVP_read_pw_string(buffer.bytes.data(), static_cast<int>(buffer.bytes.size() - 1), "Password: ", 1) !=
      0) {
    return false;
  }
  buffer.size = std::strlen(buffer.bytes.data());
  return true;
}

bool read_line(int fd, Buffer& buffer) {
  while (buffer.size < buffer.bytes.size()) {
    char* const next = buffer.bytes.data() + buffer.size;
    const ssize_t got = ::read(fd, next, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) return true;
    if (*next == '\n') {
      // Of a line as Windows ends it, the carriage return is no part of the password either.
      if (buffer.size > 0 && next[-1] == '\r') --buffer.size;
      return true;
    }
    ++buffer.size;
  }
  return true;
}

}  // namespace

std::expected<conf::Secret, std::string> read_password(int fd) {
  Buffer buffer;
  if (::isatty(fd) != 0) {
    if (!ask(buffer)) return std::unexpected("no password was given, or not the same one twice");
  } else if (!read_line(fd, buffer)) {
    return std::unexpected(std::string{"reading the password: "} + std::strerror(errno));
  }
  const std::string_view password{buffer.bytes.data(), buffer.size};
  if (password.empty()) return std::unexpected("the password is empty");
  if (password.size() > kMaxPassword) {
    return std::unexpected("the password is longer than " + std::to_string(kMaxPassword) + " bytes");
  }
  if (password.contains('\0')) return std::unexpected("the password holds a NUL");
  return conf::Secret{password};
}

conf::Secret draw_password() {
  std::string text;
  text.reserve(64);
  protocol::encode_base64(auth::random_bytes(32).reveal(), text);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  text.erase(text.find('='));
  return conf::Secret{std::move(text)};
}

}  // namespace mcgate::proxy
