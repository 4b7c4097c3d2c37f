// What each user has taken of what its limits allow, over all workers: kept by name, through reloads and
// between sessions, so that neither gives anybody a fresh start. No lock but at a log-in.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "conf/config.hpp"

namespace mcgate::auth {

// A token bucket in one number, so that taking is one atomic step: the moment when all that was taken will be
// made up for. Replies are paid for after the fact, so it may be ahead of now; then nothing more is had.
class Bucket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Whether that much can be had now.
  bool has(conf::Rate rate, std::uint64_t amount, Time now);
  // Takes that much, whether it is there or not.
  void take(conf::Rate rate, std::uint64_t amount, Time now);

 private:
  // What is owed at another rate than before takes another time.
  void adopt(conf::Rate rate, std::int64_t now);

  std::atomic<std::int64_t> paid_by_{0};      // in nanoseconds of the steady clock
  std::atomic<std::uint64_t> per_second_{0};  // the rate that it is of
};

struct Usage {
  // By each worker's requests of that user: a cache line of its own.
  alignas(64) Bucket requests;
  Bucket bytes;
  std::atomic<std::size_t> connections{0};
};

// One session's place among its user's, given back when this goes.
class Connected {
 public:
  // None if as many as `most` are taken.
  static std::optional<Connected> take(Usage& usage, std::optional<std::size_t> most);

  Connected(Connected&& other) noexcept : usage_{std::exchange(other.usage_, nullptr)} {}
  Connected& operator=(Connected&& other) noexcept {
    std::swap(usage_, other.usage_);
    return *this;
  }
  ~Connected();

  Usage& usage() const { return *usage_; }

 private:
  explicit Connected(Usage& usage) : usage_{&usage} {}
  Usage* usage_;
};

class Usages {
 public:
  // That of the user with this name; it stays where it is for good. There are as many as there ever were
  // users.
  Usage& of(std::string_view user);

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::unique_ptr<Usage>> by_user_;
};

}  // namespace mcgate::auth
