// Who a session is by its connection alone.
#include <openssl/ssl.h>

#include <limits>
#include <utility>

#include "auth/certificate_names.hpp"
#include "proxy/client_certificates.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {

using conf::ClientCertificate;

void Session::on_client_known(const auth::Peer& client) {
  peer_ = client;
  if (from_elsewhere()) {
    worker_.counters().add<Metric::ClientsFromElsewhere>(1);
    worker_.log().debug("client_from_elsewhere", {{"peer", auth::format(peer_)}});
    close_now(Ending::Lost);
  } else if (!worker_.count_client(id_, peer_)) {
    close_at(Bound::AddressSessions);
  }
}

bool Session::from_elsewhere() const {
  // A proxy's own connections were admitted as such.
  const bool is_proxy = listener().is_for_proxies() && !peer_.proxied;
  return !is_proxy && !auth::admits(listener().networks, peer_);
}

void Session::on_established() {
  become(Unidentified{});
  if (transport_.tls() != nullptr) worker_.shared().rested.fetch_add(1, std::memory_order_relaxed);
  if (const auto attested = attest(); !attested) {
    refuse_certificate(attested.error());
    close_now(Ending::Logins);
  } else if (const auth::Identity* identity = attested_identity(); identity != nullptr) {
    if (serve_as(*identity, *worker_.snapshot().directory->find(identity->user))) log_login(*identity);
  } else if (const auth::User* user = nobody(); user != nullptr) {
    serve_as({user->name, auth::Proof::Anonymous}, *user);
  }
}

ClientCertificate Session::wanted_certificate() const {
  const std::optional<conf::Tls>& tls = listener().tls;
  return tls && transport_.tls() != nullptr ? tls->client_certificate : ClientCertificate::None;
}

const auth::User* Session::nobody() const {
  const auth::Directory& directory = *worker_.snapshot().directory;
  // The configuration's check has seen that the user exists; without it nobody is anybody.
  const auth::User* user = directory.find(auth::anonymous_user(listener(), peer_));
  if (user != nullptr && auth::admits(*user, peer_)) return user;
  return lets_all_pass_ ? &directory.stranger() : nullptr;
}

void Session::become_nobody() {
  become(Unidentified{});  // first: whom it was leaves room for whom it is
  // Whose certificate is known is never anybody else, a stranger neither.
  const auth::User* user = lets_all_pass_ && attested_identity() == nullptr ? nobody() : nullptr;
  if (user != nullptr) serve_as({user->name, auth::Proof::Anonymous}, *user);
}

std::expected<Session::Shown, std::string> Session::look_at_client() const {
  const auth::Directory& directory = *worker_.snapshot().directory;
  const ClientCertificate wanted = wanted_certificate();
  const X509* certificate =
      wanted != ClientCertificate::None ? client_certificate(*transport_.tls()) : nullptr;
  if (certificate != nullptr) {
    const auto names = auth::names_of(*certificate);
    if (!names) return std::unexpected(names.error());
    const auto user = directory.by_certificate(*names);
    if (!user) return std::unexpected(user.error());
    if (*user != nullptr && !auth::admits(**user, peer_))
      return std::unexpected("user \"" + (*user)->name + "\" may not log in from there");
    if (*user != nullptr) return Shown{*user, auth::Proof::Certificate};
  } else if (wanted == ClientCertificate::Required) {
    return std::unexpected("there is none");
  }
  if (peer_.owner) {
    const auth::User* user = directory.by_owner(*peer_.owner);
    if (user != nullptr && auth::admits(*user, peer_)) return Shown{user, auth::Proof::UnixPeer};
  }
  return Shown{};
}

std::expected<void, std::string> Session::attest() {
  const auto shown = look_at_client();
  if (!shown) return std::unexpected(shown.error());
  SSL* tls = transport_.tls();
  const bool has_certificate = tls != nullptr && client_certificate(*tls) != nullptr;
  if (shown->user == nullptr && !has_certificate) return {};
  Attested attested{
      .identity = std::nullopt, .trust = {}, .expires = std::numeric_limits<std::time_t>::max()};
  if (has_certificate) {
    attested.trust = worker_.snapshot().tls[listener_].trust;
    attested.expires = chain_expiry(*tls);
  }
  if (shown->user != nullptr) attested.identity = auth::Identity{shown->user->name, shown->proof};
  attested_ = std::make_unique<Attested>(std::move(attested));
  return {};
}

bool Session::certificate_holds() {
  SSL* tls = transport_.tls();
  if (tls == nullptr) return true;
  const ClientCertificate wanted = wanted_certificate();
  // In a handshake it is verified by what was trusted when that began.
  if (in<Handshaking>()) return wanted == ClientCertificate::None;
  if (wanted == ClientCertificate::None || client_certificate(*tls) == nullptr || !attested_) return true;
  const ListenerTls& today = worker_.snapshot().tls[listener_];
  if (attested_->trust == today.trust) return true;
  attested_->trust = today.trust;
  return still_verifies(*tls, today.context.get());
}

bool Session::still_attested() {
  if (!certificate_holds()) return false;
  if (in<Handshaking>()) return true;
  const auto shown = look_at_client();
  if (!shown) return false;
  const auth::Identity* before = attested_identity();
  if (shown->user == nullptr) return before == nullptr;
  return before != nullptr && before->user == shown->user->name && before->proof == shown->proof;
}

const auth::Identity* Session::attested_identity() const {
  if (!attested_) return nullptr;
  const std::optional<auth::Identity>& identity = attested_->identity;
  return identity ? &*identity : nullptr;
}

void Session::log_lost_client() {
  if (transport_.in_preface()) {
    if (worker_.client_log().allow(worker_.now()))
      worker_.log().warning("proxy_refused", {{"peer", auth::format(peer_)}, {"reason", transport_.error()}});
    return;
  }
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
  audit(AuditEvent::Kind::CertificateRefused, {}, reason);
  if (worker_.client_log().allow(worker_.now()))
    worker_.log().warning("certificate_refused", {{"peer", auth::format(peer_)}, {"reason", reason}});
}

}  // namespace mcgate::proxy
