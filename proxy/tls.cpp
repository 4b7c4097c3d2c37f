#include "proxy/tls.hpp"

#include <fmt/format.h>
#include <openssl/err.h>

#include <utility>

#include "auth/digest.hpp"
#include "proxy/client_certificates.hpp"
#include "proxy/pem.hpp"

namespace mcgate::proxy {

std::string take_tls_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : fmt::format("error {:#x}", code);
}

namespace {

// The file's first certificate is ours, the others lead from it to an authority.
std::expected<void, std::string> use_certificates(SSL_CTX* ctx, const std::string& file) {
  const auto items = read_pem(file);
  if (!items) return std::unexpected(items.error());
  bool any = false;
  for (int i = 0; i < sk_X509_INFO_num(items->get()); ++i) {
    X509* certificate = sk_X509_INFO_value(items->get(), i)->x509;
    if (certificate == nullptr) continue;
    const long used =
        any ? SSL_CTX_add1_chain_cert(ctx, certificate) : SSL_CTX_use_certificate(ctx, certificate);
    if (used != 1) return std::unexpected(take_tls_error());
    any = true;
  }
  if (!any) return std::unexpected("it holds none");
  return {};
}

std::expected<void, std::string> use_key(SSL_CTX* ctx, const std::string& file) {
  const auto key = read_pem_key(file);
  if (!key) return std::unexpected(key.error());
  if (SSL_CTX_use_PrivateKey(ctx, key->get()) != 1) return std::unexpected(take_tls_error());
  return {};
}

std::expected<void, std::string> load_certificate(SSL_CTX* ctx, const conf::Tls& tls) {
  if (const auto used = use_certificates(ctx, tls.certificate); !used)
    return std::unexpected(fmt::format("cannot use the certificate {}: {}", tls.certificate, used.error()));
  if (const auto used = use_key(ctx, tls.key); !used)
    return std::unexpected(fmt::format("cannot use the key {}: {}", tls.key, used.error()));
  if (SSL_CTX_check_private_key(ctx) != 1)
    return std::unexpected(fmt::format("the key {} does not belong to the certificate {}: {}", tls.key,
                                       tls.certificate, take_tls_error()));
  return {};
}

// A handshake with ourselves, by which OpenSSL sets up once and for all what handshakes need. Were memory out
// at the first client's, it would not try again, and no handshake would ever succeed. How it ends is no
// matter.
void rehearse(SSL_CTX* ctx) {
  constexpr int kRounds = 10;  // more than a handshake takes
  const SslCtxPtr client_context{SSL_CTX_new(TLS_client_method())};
  if (!client_context) throw std::bad_alloc{};
  const SslPtr server{SSL_new(ctx)};
  const SslPtr client{SSL_new(client_context.get())};
  BIO* ours = nullptr;
  BIO* theirs = nullptr;
  if (!server || !client || BIO_new_bio_pair(&ours, 0, &theirs, 0) != 1) throw std::bad_alloc{};
  SSL_set_bio(server.get(), ours, ours);
  SSL_set_bio(client.get(), theirs, theirs);
  SSL_set_accept_state(server.get());
  SSL_set_connect_state(client.get());
  for (int i = 0; i < kRounds; ++i) {
    SSL_do_handshake(client.get());
    SSL_do_handshake(server.get());
  }
  ERR_clear_error();
}

}  // namespace

std::expected<ListenerTls, std::string> make_tls(const conf::Tls& tls, std::string_view listener) {
  ERR_clear_error();
  SslCtxPtr context{SSL_CTX_new(TLS_server_method())};
  if (!context) return std::unexpected("cannot set up TLS: " + take_tls_error());
  SSL_CTX* ctx = context.get();
  SSL_CTX_set_min_proto_version(ctx, tls.require_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CLEANSE_PLAINTEXT);
  SSL_CTX_set_mode(
      ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Resumption by tickets alone: they need no memory here, and their keys live and die with this context.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 1);
  if (const auto loaded = load_certificate(ctx, tls); !loaded) return std::unexpected(loaded.error());
  rehearse(ctx);

  std::string trust = fmt::format("{}\n", listener);
  if (tls.client_certificate != conf::ClientCertificate::None) {
    const auto trusted = ask_for_certificates(ctx, tls);
    if (!trusted) return std::unexpected(trusted.error());
    trust += *trusted;
  }
  trust = auth::digest(auth::Hash::Sha256, trust).reveal();
  static_assert(SSL_MAX_SID_CTX_LENGTH >= 32);
  SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const unsigned char*>(trust.data()),
                                 static_cast<unsigned>(trust.size()));
  return ListenerTls{std::move(context), std::move(trust)};
}

}  // namespace mcgate::proxy
