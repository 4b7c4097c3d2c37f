#include "auth/expiry.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mcgate::auth {

std::string format_utc(std::chrono::sys_seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::vector<conf::Problem> expiry_warnings(const conf::Config& config,
                                           std::chrono::system_clock::time_point now) {
  std::vector<conf::Problem> warnings;
  const auto warn = [&](conf::Place place, const conf::User& user, std::string_view what) {
    warnings.push_back(
        {config.file_of(place), place, fmt::format("warning: user {:?}: {}", user.name, what)});
  };
  for (const conf::User& user : config.users) {
    if (!user.enabled) continue;
    for (const conf::UserSecret& secret : user.secrets) {
      if (!secret.not_after || *secret.not_after > now + kSoon) continue;
      const bool over = *secret.not_after <= now;
      warn(secret.place, user,
           fmt::format("this secret {} {}", over ? "expired at" : "expires soon, at",
                       format_utc(*secret.not_after)));
    }
    const bool all_over = std::ranges::all_of(user.secrets, [&](const conf::UserSecret& secret) {
      return secret.not_after && *secret.not_after <= now;
    });
    const bool has_other = user.password_source != conf::PasswordSource::Secrets;
    if (all_over && !user.secrets.empty() && !has_other)
      warn(user.place, user, "no password is good any more");
  }
  return warnings;
}

}  // namespace mcgate::auth
