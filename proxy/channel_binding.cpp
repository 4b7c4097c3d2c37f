#include "proxy/channel_binding.hpp"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace mcgate::proxy {
namespace {

// RFC 9266 §4.2: before TLS 1.3 two connections can be made to export the same, but for the extended master
// secret.
bool exports(SSL& tls) {
  return SSL_version(&tls) >= TLS1_3_VERSION || SSL_get_extms_support(&tls) == 1;
}

std::string exported(SSL& tls) {
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  std::string out(32, '\0');
  constexpr unsigned char kContext = 0;  // of no length, which before TLS 1.3 is not the same as none
  const int made = SSL_export_keying_material(&tls, reinterpret_cast<unsigned char*>(out.data()), out.size(),
                                              kLabel.data(), kLabel.size(), &kContext, 0, 1);
  return made == 1 ? out : std::string{};
}

// RFC 5929 §4.1: by the hash of the certificate's own signature, SHA-256 for the weak ones. Nothing is
// defined for signatures that name none, as Ed25519's: null.
const EVP_MD* end_point_hash(X509& certificate) {
  int hash = NID_undef;
  if (X509_get_signature_info(&certificate, &hash, nullptr, nullptr, nullptr) != 1) return nullptr;
  if (hash == NID_md5 || hash == NID_sha1) hash = NID_sha256;
  return EVP_get_digestbynid(hash);
}

std::string end_point(const X509& certificate, const EVP_MD* hash) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  if (X509_digest(&certificate, hash, bytes.data(), &size) != 1) return {};
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

}  // namespace

bool has_channel_bindings(SSL* tls) {
  if (tls == nullptr) return false;
  if (exports(*tls)) return true;
  X509* certificate = SSL_get_certificate(tls);
  return certificate != nullptr && end_point_hash(*certificate) != nullptr;
}

std::vector<auth::ChannelBinding> channel_bindings(SSL* tls) {
  std::vector<auth::ChannelBinding> all;
  if (tls == nullptr) return all;
  const auto add = [&](const char* type, std::string data) {
    if (!data.empty()) all.push_back({type, std::move(data)});
  };
  if (exports(*tls)) add("tls-exporter", exported(*tls));
  X509* certificate = SSL_get_certificate(tls);
  const EVP_MD* hash = certificate != nullptr ? end_point_hash(*certificate) : nullptr;
  if (hash != nullptr) add("tls-server-end-point", end_point(*certificate, hash));
  return all;
}

}  // namespace mcgate::proxy
