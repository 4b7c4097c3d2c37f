#include "proxy/pem.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

#include <new>
#include <string_view>

#include "conf/file.hpp"
#include "proxy/tls.hpp"

namespace mcgate::proxy {
namespace {

int no_passphrase(char*, int, int, void*) {
  return -1;
}

std::expected<conf::Secret, std::string> read_whole(const std::string& file) {
  auto text = conf::read_path(file);
  // Of a longer one the end is missing, and who is revoked in it.
  if (text && text->reveal().size() > conf::kMaxFile)
    return std::unexpected(fmt::format("it has more than {} bytes", conf::kMaxFile));
  return text;
}

// Reads `text` where it is.
BioPtr open_text(std::string_view text) {
  ERR_clear_error();
  BioPtr bio{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
  if (!bio) throw std::bad_alloc{};
  return bio;
}

}  // namespace

std::expected<PemPtr, std::string> read_pem(const std::string& file) {
  const auto text = read_whole(file);
  if (!text) return std::unexpected(text.error());
  PemPtr items{PEM_X509_INFO_read_bio(open_text(text->reveal()).get(), nullptr, no_passphrase, nullptr)};
  if (!items) return std::unexpected(take_tls_error());
  return items;
}

std::expected<KeyPtr, std::string> read_pem_key(const std::string& file) {
  const auto text = read_whole(file);
  if (!text) return std::unexpected(text.error());
  KeyPtr key{PEM_read_bio_PrivateKey(open_text(text->reveal()).get(), nullptr, no_passphrase, nullptr)};
  if (!key) return std::unexpected(take_tls_error());
  return key;
}

}  // namespace mcgate::proxy
