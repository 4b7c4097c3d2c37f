#include "proxy/client_certificates.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

#include "proxy/handles.hpp"
#include "proxy/pem.hpp"
#include "proxy/tls.hpp"

namespace mcgate::proxy {
namespace {

using StorePtr = std::unique_ptr<X509_STORE, FreeWith<X509_STORE_free>>;
using StoreCtxPtr = std::unique_ptr<X509_STORE_CTX, FreeWith<X509_STORE_CTX_free>>;

constexpr std::time_t kNever = std::numeric_limits<std::time_t>::max();
// What a stranger may make us read and verify, in bytes and in certificates above its own.
constexpr long kMaxChainBytes = 32'768;
constexpr int kMaxDepth = 8;

// Seconds since 1970; long ago if it cannot be read.
std::time_t to_time(const ASN1_TIME* moment) {
  std::tm broken{};
  return ASN1_TIME_to_tm(moment, &broken) == 1 ? ::timegm(&broken) : 0;
}

void append_digest(std::string& to, const unsigned char* digest, unsigned size) {
  to.append(reinterpret_cast<const char*>(digest), size);
}

std::expected<void, std::string> add_authorities(SSL_CTX* context, X509_STORE* store, const std::string& file,
                                                 std::string& trusted) {
  const auto items = read_pem(file);
  if (!items) return std::unexpected(fmt::format("cannot read the client_ca {}: {}", file, items.error()));
  bool has_root = false;
  for (int i = 0; i < sk_X509_INFO_num(items->get()); ++i) {
    X509* certificate = sk_X509_INFO_value(items->get(), i)->x509;
    if (certificate == nullptr) continue;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1 ||
        X509_STORE_add_cert(store, certificate) != 1 || SSL_CTX_add_client_CA(context, certificate) != 1)
      return std::unexpected(fmt::format("cannot use the client_ca {}: {}", file, take_tls_error()));
    append_digest(trusted, digest.data(), size);
    has_root = has_root || X509_self_signed(certificate, 0) == 1;
  }
  if (has_root) return {};
  return std::unexpected(fmt::format(
      "the client_ca {} holds no root: a chain is verified up to a self-signed certificate", file));
}

std::expected<void, std::string> add_lists(X509_STORE* store, const std::string& file, std::string& trusted) {
  const auto items = read_pem(file);
  if (!items) return std::unexpected(fmt::format("cannot read the client_crl {}: {}", file, items.error()));
  bool any = false;
  for (int i = 0; i < sk_X509_INFO_num(items->get()); ++i) {
    X509_CRL* list = sk_X509_INFO_value(items->get(), i)->crl;
    if (list == nullptr) continue;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (X509_CRL_digest(list, EVP_sha256(), digest.data(), &size) != 1 ||
        X509_STORE_add_crl(store, list) != 1)
      return std::unexpected(fmt::format("cannot use the client_crl {}: {}", file, take_tls_error()));
    append_digest(trusted, digest.data(), size);
    any = true;
  }
  if (any) return {};
  return std::unexpected(fmt::format("the client_crl {} holds no revocation list", file));
}

// When the first of the context's lists has to be replaced.
std::time_t lists_expiry(SSL_CTX* context) {
  X509_STORE* store = nullptr;
  if (SSL_CTX_get0_verify_cert_store(context, &store) != 1 || store == nullptr) return kNever;
  std::time_t first = kNever;
  X509_STORE_lock(store);
  const STACK_OF(X509_OBJECT)* objects = X509_STORE_get0_objects(store);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
    const X509_CRL* list = X509_OBJECT_get0_X509_CRL(sk_X509_OBJECT_value(objects, i));
    const ASN1_TIME* next = list != nullptr ? X509_CRL_get0_nextUpdate(list) : nullptr;
    if (next != nullptr) first = std::min(first, to_time(next));
  }
  X509_STORE_unlock(store);
  return first;
}

// A ticket carries these two as they are: it never leaves this process readable, nor enters it changed.
struct Expiry {
  std::time_t chain;
  std::time_t lists;
};

// None of a session that was made without a certificate.
std::optional<Expiry> remembered(SSL_SESSION* session) {
  void* data = nullptr;
  std::size_t size = 0;
  Expiry expiry{};
  if (SSL_SESSION_get0_ticket_appdata(session, &data, &size) != 1 || size != sizeof expiry) return {};
  std::memcpy(&expiry, data, sizeof expiry);
  return expiry;
}

// SSL_CTX_generate_session_ticket_fn. A resumed session knows its chain's expiry from the ticket it came by.
int on_make_ticket(SSL* ssl, void*) {
  SSL_SESSION* session = SSL_get_session(ssl);
  if (client_certificate(*ssl) == nullptr || remembered(session)) return 1;
  const Expiry expiry{.chain = chain_expiry(*ssl), .lists = lists_expiry(SSL_get_SSL_CTX(ssl))};
  return SSL_SESSION_set1_ticket_appdata(session, &expiry, sizeof expiry);
}

// SSL_CTX_decrypt_session_ticket_fn. Tickets of other listeners, and of before a change of what is trusted,
// do not come as far: their keys are gone, and the session id context would be another.
SSL_TICKET_RETURN on_ticket(SSL*, SSL_SESSION* session, const unsigned char*, std::size_t,
                            SSL_TICKET_STATUS status, void*) {
  if (status == SSL_TICKET_FATAL_ERR_MALLOC || status == SSL_TICKET_FATAL_ERR_OTHER)
    return SSL_TICKET_RETURN_ABORT;
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  const auto expiry = remembered(session);
  const bool had_certificate = SSL_SESSION_get0_peer(session) != nullptr;
  const std::time_t now = std::time(nullptr);
  if (had_certificate != expiry.has_value() || (expiry && now >= std::min(expiry->chain, expiry->lists)))
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

}  // namespace

std::expected<std::string, std::string> ask_for_certificates(SSL_CTX* context, const conf::Tls& tls) {
  const StorePtr store{X509_STORE_new()};
  if (!store) throw std::bad_alloc{};
  std::string trusted;
  if (const auto added = add_authorities(context, store.get(), tls.client_ca, trusted); !added)
    return std::unexpected(added.error());
  for (const std::string& file : tls.client_crl) {
    if (const auto added = add_lists(store.get(), file, trusted); !added)
      return std::unexpected(added.error());
  }
  if (!tls.client_crl.empty())
    X509_STORE_set_flags(store.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  SSL_CTX_set1_verify_cert_store(context, store.get());
  const bool required = tls.client_certificate == conf::ClientCertificate::Required;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
  SSL_CTX_set_verify_depth(context, kMaxDepth);
  SSL_CTX_set_max_cert_list(context, kMaxChainBytes);
  SSL_CTX_set_session_ticket_cb(context, on_make_ticket, on_ticket, nullptr);
  return (required ? "required" : "optional") + trusted;
}

X509* client_certificate(const SSL& session) {
  return SSL_get0_peer_certificate(&session);
}

std::string certificate_problem(const SSL& session) {
  const long result = SSL_get_verify_result(&session);
  return result == X509_V_OK ? std::string{} : X509_verify_cert_error_string(result);
}

std::time_t chain_expiry(SSL& session) {
  if (const auto expiry = remembered(SSL_get_session(&session))) return expiry->chain;
  const STACK_OF(X509)* chain = SSL_get0_verified_chain(&session);
  if (sk_X509_num(chain) <= 0) return 0;
  std::time_t first = kNever;
  for (int i = 0; i < sk_X509_num(chain); ++i)
    first = std::min(first, to_time(X509_get0_notAfter(sk_X509_value(chain, i))));
  return first;
}

bool still_verifies(const SSL& session, SSL_CTX* context) {
  X509_STORE* store = nullptr;
  const StoreCtxPtr check{X509_STORE_CTX_new()};
  const bool ready = check && context != nullptr && SSL_CTX_get0_verify_cert_store(context, &store) == 1 &&
                     store != nullptr &&
                     X509_STORE_CTX_init(check.get(), store, client_certificate(session),
                                         SSL_get_peer_cert_chain(&session)) == 1 &&
                     X509_STORE_CTX_set_default(check.get(), "ssl_client") == 1;
  const bool good = ready && X509_verify_cert(check.get()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace mcgate::proxy
