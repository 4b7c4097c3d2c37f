#include "auth/usage.hpp"

#include <algorithm>

namespace mcgate::auth {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
// Nobody waits longer than a day to be even again, whatever one reply came to.
constexpr std::int64_t kLongestDebt = 86'400 * kSecond;

std::int64_t since_start(Bucket::Time now) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
}

// How long it takes until that much more is there.
std::int64_t time_for(std::uint64_t amount, conf::Rate rate) {
  const double time = static_cast<double>(amount) * kSecond / static_cast<double>(rate.per_second);
  return static_cast<std::int64_t>(std::min(time, static_cast<double>(kLongestDebt)));
}

// What is left unused for longer than a burst takes to gather is lost.
std::int64_t paid_after(std::int64_t paid_by, conf::Rate rate, std::uint64_t amount, std::int64_t now) {
  return std::max(paid_by, now - time_for(rate.burst, rate)) + time_for(amount, rate);
}

}  // namespace

void Bucket::adopt(conf::Rate rate, std::int64_t now) {
  if (per_second_.load(std::memory_order_relaxed) == rate.per_second) return;
  const std::uint64_t before = per_second_.exchange(rate.per_second, std::memory_order_relaxed);
  const std::int64_t owed = paid_by_.load(std::memory_order_relaxed) - now;
  if (owed <= 0) return;
  const double time =
      static_cast<double>(owed) * static_cast<double>(before) / static_cast<double>(rate.per_second);
  const double bounded = std::min(time, static_cast<double>(kLongestDebt));
  paid_by_.store(now + static_cast<std::int64_t>(bounded), std::memory_order_relaxed);
}

bool Bucket::has(conf::Rate rate, std::uint64_t amount, Time now) {
  const std::int64_t at = since_start(now);
  adopt(rate, at);
  return paid_after(paid_by_.load(std::memory_order_relaxed), rate, amount, at) <= at;
}

void Bucket::take(conf::Rate rate, std::uint64_t amount, Time now) {
  const std::int64_t at = since_start(now);
  adopt(rate, at);
  std::int64_t before = paid_by_.load(std::memory_order_relaxed);
  std::int64_t after = 0;
  do {
    after = std::min(paid_after(before, rate, amount, at), at + kLongestDebt);
  } while (!paid_by_.compare_exchange_weak(before, after, std::memory_order_relaxed));
}

std::optional<Connected> Connected::take(Usage& usage, std::optional<std::size_t> most) {
  const std::size_t others = usage.connections.fetch_add(1, std::memory_order_relaxed);
  Connected connected{usage};
  if (most && others >= *most) return std::nullopt;  // and gives it back
  return connected;
}

Connected::~Connected() {
  if (usage_ != nullptr) usage_->connections.fetch_sub(1, std::memory_order_relaxed);
}

Usage& Usages::of(std::string_view user) {
  const std::lock_guard lock{mutex_};
  auto& usage = by_user_[std::string{user}];
  if (!usage) usage = std::make_unique<Usage>();
  return *usage;
}

}  // namespace mcgate::auth
