// Files of certificates, revocation lists and keys, in PEM: read as configurations are, so that none holds up
// whoever reads it at a reload, and leaving no copy of a key behind. Called by whoever sets up TLS.
#pragma once

#include <openssl/pem.h>

#include <expected>
#include <memory>
#include <string>

#include "proxy/handles.hpp"

namespace mcgate::proxy {

struct FreePem {
  void operator()(STACK_OF(X509_INFO) * items) const { sk_X509_INFO_pop_free(items, X509_INFO_free); }
};
using PemPtr = std::unique_ptr<STACK_OF(X509_INFO), FreePem>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;

// The certificates and lists of a file, in its order. The error is why it cannot be read, without its name.
std::expected<PemPtr, std::string> read_pem(const std::string& file);
// A file's private key; one under a passphrase is an error, not a question on some terminal.
std::expected<KeyPtr, std::string> read_pem_key(const std::string& file);

}  // namespace mcgate::proxy
