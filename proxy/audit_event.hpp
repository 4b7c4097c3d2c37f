// One thing that the audit trail tells of, and how it is written: a line of JSON in ASCII, with nothing in it
// that a client could forge a line, a field or another key by. Pure; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/identity.hpp"
#include "auth/policy.hpp"
#include "conf/config.hpp"
#include "protocol/command.hpp"

namespace mcgate::proxy {

struct AuditEvent {
  enum class Kind : std::uint8_t {
    Login,
    LoginRefused,
    CertificateRefused,
    Unauthenticated,  // asked for something before the log-in
    Denied,           // by the policy
    Limited,          // by a limit of the user's
    Revoked,          // a session that may not go on, by a new configuration or as its secret's time is up
    Administrative,   // a command of the category admin, carried out
    ConfigurationAdopted,
    ConfigurationRefused,
  };
  Kind kind = Kind::Login;
  std::chrono::system_clock::time_point at = {};
  std::string user = {};  // empty: none
  std::string_view proof = {};
  std::string secret = {};  // the id of the one that proved it
  std::optional<auth::Peer> peer = {};
  std::string listener = {};
  std::optional<protocol::Command> command = {};
  std::optional<std::string> key = {};
  std::string reason = {};       // of what is refused; which limit; a configuration's problem
  std::uint64_t generation = 0;  // of a configuration; 0: none
  // Who is to say why it was denied, and of what: explained where it is written, since that takes a while.
  std::shared_ptr<const auth::Policy> policy = {};
  protocol::CommandSet needs = {};
  // Stands for several that differ in key, address or reason, which are left out: more than are kept apart.
  bool various = false;
};

// How often something happened again, and when.
struct AuditRepeats {
  std::uint64_t count = 0;
  std::chrono::system_clock::time_point first = {}, last = {};
};

// How keys are written. As bytes that are no printable ASCII have no text that could not be another key's,
// such keys are in hexadecimal.
class AuditKeyForm {
 public:
  // An empty `hash_key`: one drawn now.
  AuditKeyForm(conf::AuditKeys form, const conf::Secret& hash_key);
  // The field's name and its value.
  struct Written {
    std::string_view field;
    std::string value;
  };
  Written operator()(std::string_view key) const;
  // Whether different keys are written differently, so that what is of one is by one rule.
  bool tells_apart() const { return form_ != conf::AuditKeys::Prefix; }

 private:
  conf::AuditKeys form_;
  conf::Secret hash_key_;
};

// What tells an event from others: all of it but the time and the client's port.
std::string identity(const AuditEvent& event, const AuditKeyForm& keys);

// The line, with its end. One of repeats has no port, as each may have come from another, and no rule unless
// all had the same.
std::string compose(const AuditEvent& event, const AuditKeyForm& keys, const AuditRepeats* repeats = nullptr);
// That so many events are missing.
std::string compose_dropped(std::uint64_t count, std::chrono::system_clock::time_point now);

// Enough of a key to see whose it is: up to its first separator, at most so many bytes.
inline constexpr std::string_view kKeySeparators = ":/.-_|";
inline constexpr std::size_t kKeyPrefix = 32;
std::string_view key_prefix(std::string_view key);

}  // namespace mcgate::proxy
