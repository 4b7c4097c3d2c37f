#include "proxy/running.hpp"

#include <fmt/format.h>
#include <sysexits.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>

#include "auth/last_use.hpp"
#include "auth/verifier.hpp"
#include "proxy/admin_client.hpp"

namespace mcgate::proxy {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxExplanation = 1'048'576;
constexpr std::size_t kMaxUsers = 67'108'864;

int fail(int code, std::string_view command, std::string_view message) {
  fmt::print(stderr, "mcgate {}: {}\n", command, message);
  return code;
}

std::expected<conf::Config, int> load(const std::string& file) {
  auto config = conf::load(file);
  if (config) return *std::move(config);
  for (const conf::Problem& problem : config.error()) fmt::print(stderr, "{}\n", conf::format(problem));
  return std::unexpected{EX_CONFIG};
}

std::string time_or_never(const json& time) {
  return time.is_null() ? "never" : conf::one_line(time.get<std::string>());
}

// Throws what the library does for an answer that is another.
std::string users_as_text(const json& answer) {
  constexpr std::string_view row = "{:<24} {:<8} {:<12} {:<13} {:<20} {:<20} {}\n";
  std::string text =
      fmt::format(row, "USER", "ENABLED", "SECRET", "KIND", "NOT AFTER", "LAST USED", "COMMENT");
  for (const json& user : answer.at("users")) {
    const std::string name = conf::one_line(user.at("name").get<std::string>());
    const std::string_view enabled = user.at("enabled").get<bool>() ? "yes" : "no";
    const json& secrets = user.at("secrets");
    if (secrets.empty()) text += fmt::format(row, name, enabled, "-", "-", "-", "-", "");
    for (const json& secret : secrets) {
      const std::string id = conf::one_line(secret.at("id").get<std::string>());
      text += fmt::format(row, name, enabled, id == auth::kSaslauthd ? "-" : id,
                          conf::one_line(secret.at("kind").get<std::string>()),
                          time_or_never(secret.at("not_after")), time_or_never(secret.at("last_used")),
                          conf::one_line(secret.at("comment").get<std::string>()));
    }
  }
  return text;
}

}  // namespace

int explain_running(const std::string& config_file, const Question& question) {
  const auto config = load(config_file);
  if (!config) return config.error();
  const auto answer = ask_admin(*config, "/explain?" + to_query(question), kMaxExplanation);
  if (!answer) return fail(EX_UNAVAILABLE, "explain", answer.error());
  if (answer->status != 200)
    return fail(answer->status == 400 ? EX_USAGE : EX_UNAVAILABLE, "explain", refusal(*answer));
  const auto explanation = parse_explanation(answer->body);
  if (!explanation) return fail(EX_PROTOCOL, "explain", explanation.error());
  fmt::print("{}", format(*explanation));
  return explanation->allowed ? EX_OK : 1;
}

int user_list_running(const std::string& config_file) {
  const auto config = load(config_file);
  if (!config) return config.error();
  const auto answer = ask_admin(*config, "/users", kMaxUsers);
  if (!answer) return fail(EX_UNAVAILABLE, "user", answer.error());
  if (answer->status != 200) return fail(EX_UNAVAILABLE, "user", refusal(*answer));
  try {
    fmt::print("{}", users_as_text(json::parse(answer->body)));
  } catch (const json::exception&) {
    return fail(EX_PROTOCOL, "user", "the admin endpoint's answer is not what GET /users says");
  }
  return EX_OK;
}

}  // namespace mcgate::proxy
