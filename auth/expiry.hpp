// Which secrets have expired, or soon will: for whoever checks a configuration. Control thread.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "conf/config.hpp"

namespace mcgate::auth {

// What counts as soon.
inline constexpr std::chrono::days kSoon{14};

// A warning for each, at its place; for a user whose last secret has expired, that it cannot log in.
std::vector<conf::Problem> expiry_warnings(const conf::Config& config,
                                           std::chrono::system_clock::time_point now);

// "2027-01-01T00:00:00Z".
std::string format_utc(std::chrono::sys_seconds time);

}  // namespace mcgate::auth
