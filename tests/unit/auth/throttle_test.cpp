#include "auth/throttle.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/auth/users.hpp"

namespace mcgate::auth {
namespace {

using namespace std::chrono_literals;
using test::peer;

constexpr Throttle::Time kStart{1000h};
const Peer kSocket{.unix_socket = true, .ip = {}, .port = 0};

Peer process_of(std::uint32_t uid) {
  return {.unix_socket = true, .owner = UnixOwner{uid, 0}};
}

// Three failures of a user, ten of an address; 1 s, 2 s, 4 s, and no more than 5 s.
conf::Throttle settings() {
  return {.failures = 3, .address_failures = 10, .half_life = 60s, .delay = 1s, .longest_delay = 5s};
}

// How long a log-in would wait; -1 ms if it is refused.
Throttle::Span wait(Throttle& throttle, const Peer& from, std::string_view user, Throttle::Time now) {
  return throttle.admit(settings(), from, user, now).value_or(-1ms);
}

void fail(Throttle& throttle, const Peer& from, std::string_view user, Throttle::Time now, int times = 1) {
  for (int i = 0; i < times; ++i) throttle.failed(settings(), from, user, now);
}

TEST_CASE("throttle: delays begin at the limit, double, and end at the longest") {
  Throttle throttle;
  const auto from = peer("192.0.2.1");
  const Throttle::Span expected[] = {0ms, 0ms, 0ms, 1s, 2s, 4s, 5s, 5s, 5s};
  auto now = kStart;
  for (const auto each : expected) {
    CAPTURE(each.count());
    const auto given = wait(throttle, from, "alice", now);
    CHECK(given == each);
    now += given;
    fail(throttle, from, "alice", now);
  }
}

TEST_CASE("throttle: a user from elsewhere and others from there do not wait") {
  Throttle throttle;
  fail(throttle, peer("192.0.2.1"), "alice", kStart, 5);
  const struct {
    Peer from;
    std::string_view user;
    bool waits;
  } rows[] = {
      {peer("192.0.2.1"), "alice", true},        {peer("192.0.2.2"), "alice", false},
      {peer("192.0.2.1"), "bob", false},         {peer("192.0.2.1"), "alic", false},
      {peer("192.0.2.1"), "alicee", false},      {peer("192.0.2.1"), "", false},
      {peer("::ffff:192.0.2.1"), "alice", true}, {kSocket, "alice", false},
  };
  for (const auto& row : rows) {
    CAPTURE(format(row.from));
    CAPTURE(row.user);
    CHECK(throttle.delays(settings(), row.from, row.user, kStart) == row.waits);
    CHECK((wait(throttle, row.from, row.user, kStart) != 0ms) == row.waits);
  }
}

TEST_CASE("throttle: an IPv6 client is its /64, an IPv4 client its address, a Unix socket's its user") {
  const struct {
    Peer failed;
    Peer other;
    bool same;
  } rows[] = {
      {peer("2001:db8:0:1::1"), peer("2001:db8:0:1:ffff:ffff:ffff:ffff"), true},
      {peer("2001:db8:0:1::1"), peer("2001:db8:0:2::1"), false},
      {peer("192.0.2.1"), peer("192.0.2.0"), false},
      {peer("::1"), peer("127.0.0.1"), false},
      {kSocket, kSocket, true},
      {process_of(1000), process_of(1000), true},
      {process_of(1000), process_of(1001), false},
      {kSocket, peer("127.0.0.1"), false},
  };
  for (const auto& row : rows) {
    CAPTURE(format(row.failed));
    CAPTURE(format(row.other));
    Throttle throttle;
    fail(throttle, row.failed, "alice", kStart, 5);
    CHECK((wait(throttle, row.other, "alice", kStart) != 0ms) == row.same);
  }
}

TEST_CASE("throttle: an address that fails with ever other names waits, whatever name comes next") {
  Throttle throttle;
  const auto from = peer("192.0.2.1");
  for (int i = 0; i < 9; ++i) fail(throttle, from, "user" + std::to_string(i), kStart);
  CHECK(wait(throttle, from, "alice", kStart) == 0ms);
  fail(throttle, from, "", kStart);  // one that said no name counts as well
  CHECK(wait(throttle, from, "alice", kStart) == 1s);
  CHECK(wait(throttle, peer("192.0.2.2"), "alice", kStart) == 0ms);
}

TEST_CASE("throttle: turns are given one behind the other, and no later than the longest delay") {
  Throttle throttle;
  const auto from = peer("192.0.2.1");
  fail(throttle, from, "alice", kStart, 4);  // 2 s from one to the next
  for (const Throttle::Span each : {2s, 4s}) CHECK(wait(throttle, from, "alice", kStart) == each);
  for (int i = 0; i < 3; ++i) CHECK(wait(throttle, from, "alice", kStart) == -1ms);
  // Those refused took no turn.
  CHECK(wait(throttle, from, "alice", kStart + 1s) == 5s);
  CHECK(wait(throttle, from, "alice", kStart + 8s) == 0ms);
}

TEST_CASE("throttle: counts halve, and what went on for long is forgiven as soon") {
  const auto from = peer("192.0.2.1");
  const struct {
    int failures;
    Throttle::Time::duration later;
    bool delayed;
  } rows[] = {{3, 0s, true},       {3, 10s, true},   {3, 20s, false},   {6, 60s, true},
              {6, 80s, false},     {35, 225s, true}, {35, 230s, false}, {1000, 225s, true},
              {1000, 230s, false}, {1000, 3h, false}};
  for (const auto& row : rows) {
    CAPTURE(row.failures);
    CAPTURE(std::chrono::duration_cast<std::chrono::seconds>(row.later).count());
    Throttle throttle;
    auto generous = settings();
    generous.address_failures = 1'000'000;
    for (int i = 0; i < row.failures; ++i) throttle.failed(generous, from, "alice", kStart);
    const auto now = kStart + row.later;
    throttle.admit(generous, from, "alice", now);  // takes a turn, if turns are needed
    CHECK(throttle.delays(generous, from, "alice", now) == row.delayed);
  }
}

TEST_CASE("throttle: a clock that stands or goes back is no way out") {
  Throttle throttle;
  const auto from = peer("192.0.2.1");
  fail(throttle, from, "alice", kStart, 4);
  CHECK(wait(throttle, from, "alice", kStart - 1s) == 3s);
  fail(throttle, from, "alice", kStart - 1s);
  CHECK(wait(throttle, from, "alice", kStart) == 4s);
}

TEST_CASE("throttle: switched off it counts nothing") {
  Throttle throttle;
  auto off = settings();
  off.delay = 0ms;
  const auto from = peer("192.0.2.1");
  for (int i = 0; i < 100; ++i) throttle.failed(off, from, "alice", kStart);
  CHECK(throttle.admit(off, from, "alice", kStart) == 0ms);
  CHECK(wait(throttle, from, "alice", kStart) == 0ms);
}

TEST_CASE("throttle: a spray from more addresses than it has room for flushes out nobody who counts") {
  Throttle throttle;
  const auto attacker = peer("192.0.2.1");
  fail(throttle, attacker, "alice", kStart, 5);
  // Each is another address, three times as many as there is room for.
  auto spray = peer("10.0.0.0");
  auto now = kStart;
  constexpr int kSprayed = 200'000;
  static_assert(kSprayed > 3 * Throttle::kShards * Throttle::kBuckets * Throttle::kWays);
  int delayed = 0;
  for (int i = 0; i < kSprayed; ++i) {
    for (std::size_t byte = 0; byte < 3; ++byte)
      spray.ip.bytes[13 + byte] = static_cast<std::uint8_t>(i >> (8 * byte));
    if (i % 1000 == 0 && throttle.delays(settings(), spray, "alice", now)) ++delayed;
    throttle.failed(settings(), spray, "", now);
  }
  CHECK(delayed == 0);
  CHECK(throttle.delays(settings(), attacker, "alice", now));
  CHECK_FALSE(throttle.delays(settings(), peer("192.0.2.3"), "alice", now));
}

TEST_CASE("throttle: any thread may call it") {
  Throttle throttle;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&throttle, i] {
      for (int n = 0; n < 500; ++n) {
        const auto from = peer("192.0.2." + std::to_string(n % 5));
        throttle.admit(settings(), from, "alice", kStart + std::chrono::milliseconds{n});
        throttle.failed(settings(), from, "alice", kStart + std::chrono::milliseconds{i});
      }
    });
  }
  threads.clear();
  CHECK(throttle.delays(settings(), peer("192.0.2.0"), "alice", kStart));
}

}  // namespace
}  // namespace mcgate::auth
