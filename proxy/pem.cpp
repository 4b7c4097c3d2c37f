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

// What OpenSSL's `read` makes of a file.
template <typename Pointer, typename Read>
std::expected<Pointer, std::string> read_with(Read read, const std::string& file) {
  const auto text = read_whole(file);
  if (!text) return std::unexpected(text.error());
  const std::string_view bytes = text->reveal();
  ERR_clear_error();
  const BioPtr bio{BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()))};
  if (!bio) throw std::bad_alloc{};
  Pointer found{read(bio.get(), nullptr, no_passphrase, nullptr)};
  if (!found) return std::unexpected(take_tls_error());
  return found;
}

}  // namespace

std::expected<PemPtr, std::string> read_pem(const std::string& file) {
  return read_with<PemPtr>(PEM_X509_INFO_read_bio, file);
}

std::expected<KeyPtr, std::string> read_pem_key(const std::string& file) {
  return read_with<KeyPtr>(PEM_read_bio_PrivateKey, file);
}

}  // namespace mcgate::proxy
