#include "auth/usage.hpp"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

namespace mcgate::auth {
namespace {

using std::chrono::milliseconds;

constexpr Bucket::Time kStart{std::chrono::hours{1}};

TEST_CASE("bucket: a burst at once, then as much as the rate brings") {
  const conf::Rate rate{.per_second = 10, .burst = 3};
  Bucket bucket;
  const auto take_at = [&](milliseconds when) {
    const bool there = bucket.has(rate, 1, kStart + when);
    if (there) bucket.take(rate, 1, kStart + when);
    return there;
  };
  struct Row {
    int at;  // milliseconds
    bool there;
  };
  const Row rows[] = {{0, true},    {0, true},    {0, true},    {0, false},   {99, false},
                      {100, true},  {100, false}, {350, true},  {350, true},  {350, false},
                      {9000, true}, {9000, true}, {9000, true}, {9000, false}};
  for (const Row& row : rows) {
    CAPTURE(row.at);
    CHECK(take_at(milliseconds{row.at}) == row.there);
  }
}

TEST_CASE("bucket: what was taken beyond what there was is made up for first") {
  const conf::Rate rate{.per_second = 1000, .burst = 1000};
  Bucket bucket;
  CHECK(bucket.has(rate, 1, kStart));
  bucket.take(rate, 5000, kStart);
  CHECK_FALSE(bucket.has(rate, 1, kStart + milliseconds{4000}));
  CHECK(bucket.has(rate, 1, kStart + milliseconds{4001}));
  // Another rate takes effect at once, on the 3600 that are still owed too.
  const conf::Rate faster{.per_second = 10'000, .burst = 1};
  CHECK_FALSE(bucket.has(faster, 1, kStart + milliseconds{400}));
  CHECK_FALSE(bucket.has(faster, 1, kStart + milliseconds{760}));
  CHECK(bucket.has(faster, 1, kStart + milliseconds{761}));
  // However much: even after a day.
  for (int i = 0; i < 100; ++i) bucket.take(rate, std::uint64_t{1} << 60, kStart);
  CHECK_FALSE(bucket.has(rate, 1, kStart + std::chrono::hours{23}));
  CHECK(bucket.has(rate, 1, kStart + std::chrono::hours{25}));
}

TEST_CASE("bucket: nothing is lost between threads") {
  const conf::Rate rate{.per_second = 1000, .burst = 40'000};
  Bucket bucket;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10'000; ++j) bucket.take(rate, 1, kStart);
    });
  }
  threads.clear();
  CHECK_FALSE(bucket.has(rate, 1, kStart));
  CHECK(bucket.has(rate, 1, kStart + milliseconds{1}));
}

TEST_CASE("connections: as many as may be, and each gives its place back") {
  Usages usages;
  Usage& usage = usages.of("a");
  CHECK(&usages.of("a") == &usage);
  CHECK(&usages.of("b") != &usage);
  auto first = Connected::take(usage, 2);
  auto second = Connected::take(usage, 2);
  REQUIRE(first.has_value());
  CHECK(second.has_value());
  CHECK_FALSE(Connected::take(usage, 2).has_value());
  CHECK(Connected::take(usage, std::nullopt).has_value());
  CHECK_FALSE(Connected::take(usage, 1).has_value());
  const Connected moved{*std::move(first)};
  first.reset();  // NOLINT(bugprone-use-after-move): what a move leaves counts no more
  CHECK_FALSE(Connected::take(usage, 2).has_value());
  second.reset();
  CHECK(Connected::take(usage, 2).has_value());
  CHECK(usage.connections == 1);
}

}  // namespace
}  // namespace mcgate::auth
