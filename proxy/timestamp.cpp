#include "proxy/timestamp.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace mcgate::proxy {

std::string timestamp(std::chrono::system_clock::time_point time) {
  using std::chrono::floor, std::chrono::milliseconds, std::chrono::seconds;
  const auto since_epoch = floor<milliseconds>(time.time_since_epoch());
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(floor<seconds>(time))),
                     since_epoch.count() % 1000);
}

}  // namespace mcgate::proxy
