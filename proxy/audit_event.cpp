#include "proxy/audit_event.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "auth/digest.hpp"
#include "proxy/timestamp.hpp"

namespace mcgate::proxy {
namespace {

using Json = nlohmann::ordered_json;
using Kind = AuditEvent::Kind;
using Time = std::chrono::system_clock::time_point;

// A text is cut after so many bytes, so that a line stays short.
constexpr std::size_t kMaxText = 512;
// Bytes of a keyed hash that are written: so many that no two keys meet by chance.
constexpr std::size_t kHashBytes = 16;
constexpr std::size_t kDrawnKey = 32;

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::Login:
      return "login";
    case Kind::LoginRefused:
      return "login_refused";
    case Kind::CertificateRefused:
      return "certificate_refused";
    case Kind::Unauthenticated:
      return "unauthenticated";
    case Kind::Denied:
      return "denied";
    case Kind::Limited:
      return "limit_exceeded";
    case Kind::Revoked:
      return "session_revoked";
    case Kind::Administrative:
      return "administrative";
    case Kind::ConfigurationAdopted:
      return "configuration";
    case Kind::ConfigurationRefused:
      return "configuration_refused";
  }
  return {};
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes)
    fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<unsigned char>(byte));
  return text;
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string_view cut(std::string_view text) {
  return text.substr(0, kMaxText);
}

// ASCII only; bytes that are not UTF-8 become U+FFFD.
std::string line(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace) + '\n';
}

void add(Json& json, std::string_view field, std::string_view text) {
  if (!text.empty()) json.emplace(field, cut(text));
}

void add_client(Json& json, const AuditEvent& event, bool with_port) {
  if (event.peer && !event.various) {
    json.emplace("address", event.peer->unix_socket ? "unix" : conf::format(event.peer->ip));
    if (with_port && !event.peer->unix_socket) json.emplace("port", event.peer->port);
  }
  add(json, "listener", event.listener);
}

void add_rule(Json& json, const AuditEvent& event) {
  const auth::Policy::Reason reason =
      event.key ? event.policy->explain(event.needs, *event.key) : event.policy->explain(event.needs);
  add(json, "rule", reason.text);
  if (reason.place.line != 0) json.emplace("line", reason.place.line);
}

// All but when and how often it was, and the rule.
void add_facts(Json& json, const AuditEvent& event, const AuditKeyForm& keys, bool with_port) {
  json.emplace("event", name(event.kind));
  add(json, "user", event.user);
  add(json, "proof", event.proof);
  add(json, "secret", event.secret);
  add_client(json, event, with_port);
  if (event.command) json.emplace("command", protocol::row(*event.command).name);
  if (event.key && !event.various) {
    const auto [field, value] = keys(*event.key);
    json.emplace(field, value);
  }
  if (event.kind == Kind::Limited) {
    add(json, "limit", event.reason);
  } else if (!event.various) {
    add(json, "reason", event.reason);
  }
  if (event.generation != 0) json.emplace("generation", event.generation);
  if (event.various) json.emplace("various", true);
}

}  // namespace

AuditKeyForm::AuditKeyForm(conf::AuditKeys form, const conf::Secret& hash_key)
    : form_{form}, hash_key_{hash_key.empty() ? auth::random_bytes(kDrawnKey) : hash_key} {}

AuditKeyForm::Written AuditKeyForm::operator()(std::string_view key) const {
  const bool is_text = is_printable(key);
  switch (form_) {
    case conf::AuditKeys::Full:
      return {is_text ? "key" : "key_hex", is_text ? std::string{key} : hex(key)};
    case conf::AuditKeys::Hashed: {
      const conf::Secret hash = auth::hmac(auth::Hash::Sha256, hash_key_.reveal(), key);
      return {"key_hmac", hex(hash.reveal().substr(0, kHashBytes))};
    }
    case conf::AuditKeys::Prefix: {
      const std::string_view prefix = key_prefix(key);
      const bool is_plain = is_printable(prefix);
      return {is_plain ? "key_prefix" : "key_prefix_hex", is_plain ? std::string{prefix} : hex(prefix)};
    }
  }
  return {};
}

std::string identity(const AuditEvent& event, const AuditKeyForm& keys) {
  Json json;
  add_facts(json, event, keys, false);
  return line(json);
}

std::string compose(const AuditEvent& event, const AuditKeyForm& keys, const AuditRepeats* repeats) {
  Json json;
  json.emplace("ts", timestamp(repeats == nullptr ? event.at : repeats->last));
  add_facts(json, event, keys, repeats == nullptr);
  const bool one_rule = repeats == nullptr || keys.tells_apart();
  if (event.policy && !event.various && one_rule) add_rule(json, event);
  if (repeats != nullptr) {
    json.emplace("count", repeats->count);
    json.emplace("first", timestamp(repeats->first));
    json.emplace("last", timestamp(repeats->last));
  }
  return line(json);
}

std::string compose_dropped(std::uint64_t count, Time now) {
  Json json;
  json.emplace("ts", timestamp(now));
  json.emplace("event", "events_dropped");
  json.emplace("count", count);
  return line(json);
}

std::string_view key_prefix(std::string_view key) {
  const std::size_t separator = key.find_first_of(kKeySeparators);
  return key.substr(0, std::min(separator == key.npos ? key.npos : separator + 1, kKeyPrefix));
}

}  // namespace mcgate::proxy
