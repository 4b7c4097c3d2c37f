#include "proxy/user_report.hpp"

#include <nlohmann/json.hpp>
#include <optional>

#include "auth/expiry.hpp"
#include "auth/verifier.hpp"

namespace mcgate::proxy {
namespace {

using nlohmann::json;

json time_or_null(std::optional<std::chrono::system_clock::time_point> time) {
  if (!time) return nullptr;
  return auth::format_utc(std::chrono::floor<std::chrono::seconds>(*time));
}

}  // namespace

std::string users_as_json(const conf::Config& config, const auth::LastUse& last_use) {
  json users = json::array();
  for (const conf::User& user : config.users) {
    json secrets = json::array();
    for (const conf::UserSecret& secret : user.secrets) {
      const auto verifier = auth::parse_verifier(secret.verifier.reveal());
      if (!verifier) continue;  // there is none in a configuration that is in force
      const std::string id = auth::id_of(*verifier);
      secrets.push_back({{"id", id},
                         {"kind", auth::mechanism(verifier->hash)},
                         {"scram", secret.scram},
                         {"not_after", time_or_null(secret.not_after)},
                         {"comment", secret.comment},
                         {"last_used", time_or_null(last_use.of(user.name, id))}});
    }
    if (user.password_source == conf::PasswordSource::Saslauthd) {
      secrets.push_back({{"id", auth::kSaslauthd},
                         {"kind", auth::kSaslauthd},
                         {"scram", false},
                         {"not_after", nullptr},
                         {"comment", ""},
                         {"last_used", time_or_null(last_use.of(user.name, auth::kSaslauthd))}});
    }
    users.push_back({{"name", user.name}, {"enabled", user.enabled}, {"secrets", std::move(secrets)}});
  }
  return json{{"users", std::move(users)}}.dump(-1, ' ', true, json::error_handler_t::replace) + "\n";
}

}  // namespace mcgate::proxy
