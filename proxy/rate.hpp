// A bound on how often something may happen, for log lines that clients can cause. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

namespace mcgate::proxy {

class RateLimit {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit RateLimit(std::uint32_t per_second) : per_second_{per_second} {}

  // Whether one more may happen in the second that `now` is in.
  bool allow(Time now) {
    if (now - began_ >= std::chrono::seconds{1}) {
      began_ = now;
      used_ = 0;
    }
    if (used_ < per_second_) {
      ++used_;
      return true;
    }
    ++suppressed_;
    return false;
  }
  // How many were not allowed since this was last asked.
  std::uint64_t take_suppressed() { return std::exchange(suppressed_, 0); }

 private:
  const std::uint32_t per_second_;
  Time began_{};
  std::uint32_t used_ = 0;
  std::uint64_t suppressed_ = 0;
};

}  // namespace mcgate::proxy
