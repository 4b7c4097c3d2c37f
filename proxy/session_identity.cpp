// Who a session is by its connection alone.
#include <openssl/ssl.h>

#include "auth/certificate_names.hpp"
#include "proxy/client_certificates.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {

using conf::ClientCertificate;

void Session::on_established() {
  become(Unidentified{});
  if (transport_.tls() != nullptr) worker_.shared().rested.fetch_add(1, std::memory_order_relaxed);
  const auto attested = look_at_certificate();
  if (!attested) {
    refuse_certificate(attested.error());
    close_now(Ending::Logins);
  } else if (const auth::User* user = *attested; user != nullptr) {
    log_login(*attested_identity());
    become(Serving{*attested_identity(), user});
  } else if (is_anonymous_listener()) {
    // The configuration's check has seen that the user exists; without it nobody is anybody.
    const auth::User* anonymous = worker_.snapshot().directory->find(listener().anonymous);
    if (anonymous != nullptr && auth::admits(*anonymous, peer_))
      become(Serving{{anonymous->name, auth::Proof::Anonymous}, anonymous});
  }
}

std::expected<const auth::User*, std::string> Session::user_of(const X509& certificate) const {
  const auto names = auth::names_of(certificate);
  if (!names) return std::unexpected(names.error());
  const auto user = worker_.snapshot().directory->by_certificate(*names);
  if (user && *user != nullptr && !auth::admits(**user, peer_))
    return std::unexpected("user \"" + (*user)->name + "\" may not log in from there");
  return user;
}

std::expected<const auth::User*, std::string> Session::look_at_certificate() {
  SSL* tls = transport_.tls();
  const auto wanted = tls != nullptr ? listener().tls->client_certificate : ClientCertificate::None;
  if (wanted == ClientCertificate::None) return nullptr;
  const X509* certificate = client_certificate(*tls);
  if (certificate == nullptr) {
    if (wanted == ClientCertificate::Optional) return nullptr;
    return std::unexpected("it has none");
  }
  auto user = user_of(*certificate);
  if (!user) return user;
  attested_ = std::make_unique<Attested>(Attested{.identity = std::nullopt,
                                                  .trust = worker_.snapshot().tls[listener_].trust,
                                                  .expires = chain_expiry(*tls)});
  if (*user != nullptr) attested_->identity = auth::Identity{(*user)->name, auth::Proof::Certificate};
  return user;
}

bool Session::still_attested() {
  SSL* tls = transport_.tls();
  if (tls == nullptr) return true;
  const auto wanted = listener().tls->client_certificate;
  // Whom it was asked by is not whom it would be verified by now.
  if (in<Handshaking>()) return wanted == ClientCertificate::None;
  if (!attested_) return wanted != ClientCertificate::Required;
  if (wanted == ClientCertificate::None) return !attested_->identity;
  const ListenerTls& today = worker_.snapshot().tls[listener_];
  if (attested_->trust != today.trust) {
    if (!still_verifies(*tls, today.context.get())) return false;
    attested_->trust = today.trust;
  }
  const auto user = user_of(*client_certificate(*tls));
  if (!user) return false;
  return *user == nullptr ? !attested_->identity
                          : attested_->identity && attested_->identity->user == (*user)->name;
}

const auth::Identity* Session::attested_identity() const {
  return attested_ && attested_->identity ? &*attested_->identity : nullptr;
}

void Session::log_lost_client() {
  const std::string problem = in<Handshaking>() && transport_.tls() != nullptr
                                  ? certificate_problem(*transport_.tls())
                                  : std::string{};
  if (problem.empty()) {
    worker_.log().debug("client_lost", {{"peer", auth::format(peer_)}, {"reason", transport_.error()}});
  } else {
    refuse_certificate(problem);
  }
}

void Session::refuse_certificate(std::string_view reason) {
  worker_.counters().add<Metric::Logins>(1, auth::Proof::Certificate, LoginOutcome::Refused);
  if (worker_.client_log().allow(worker_.now()))
    worker_.log().warning("certificate_refused", {{"peer", auth::format(peer_)}, {"reason", reason}});
}

}  // namespace mcgate::proxy
