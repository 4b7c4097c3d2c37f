// What a session tells the audit trail; nothing, and at no cost, where there is none.
#include <chrono>

#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {

AuditEvent Session::audit_event(AuditEvent::Kind kind) const {
  return {.kind = kind,
          .at = std::chrono::system_clock::now(),
          .user = serving() != nullptr ? serving()->user->name : std::string{},
          .peer = peer_,
          .listener = conf::format(listener().address)};
}

void Session::audit(AuditEvent::Kind kind, std::string_view user, std::string_view reason) {
  if (!worker_.shared().audit.on()) return;
  AuditEvent event = audit_event(kind);
  event.user = user;
  event.reason = reason;
  if (kind == AuditEvent::Kind::LoginRefused && login_by_) event.proof = auth::name(*login_by_);
  worker_.shared().audit.tell(std::move(event));
}

void Session::audit_login(const auth::Identity& identity) {
  if (!worker_.shared().audit.on()) return;
  AuditEvent event = audit_event(AuditEvent::Kind::Login);
  event.user = identity.user;
  event.proof = auth::name(identity.proof);
  event.secret = identity.secret;
  worker_.shared().audit.tell(std::move(event));
}

void Session::audit_denied(const protocol::Request& request, std::optional<std::string_view> key) {
  if (!worker_.shared().audit.on()) return;
  AuditEvent event = audit_event(AuditEvent::Kind::Denied);
  event.command = request.caller.command;
  event.key = key;
  event.policy = serving()->user->policy;
  event.needs = request.needs;
  worker_.shared().audit.tell(std::move(event));
}

void Session::audit_administrative(const protocol::Request& request) {
  const protocol::Command command = request.caller.command;
  if (protocol::row(command).category != protocol::Category::Admin || !worker_.shared().audit.on()) return;
  AuditEvent event = audit_event(AuditEvent::Kind::Administrative);
  event.command = command;
  if (!request.keys.empty()) event.key = request.keys.front();
  worker_.shared().audit.tell(std::move(event));
}

}  // namespace mcgate::proxy
