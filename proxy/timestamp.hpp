// When something was, as the log and the audit trail write it. Any thread.
#pragma once

#include <chrono>
#include <string>

namespace mcgate::proxy {

// RFC 3339, UTC, milliseconds.
std::string timestamp(std::chrono::system_clock::time_point time);

}  // namespace mcgate::proxy
