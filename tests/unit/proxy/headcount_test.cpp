#include "proxy/headcount.hpp"

#include <doctest/doctest.h>

#include <string_view>
#include <thread>
#include <vector>

using namespace mcgate;
using namespace mcgate::proxy;

namespace {

auth::Peer from(std::string_view address) {
  const auto ip = conf::parse_ip(address);
  REQUIRE(ip.has_value());
  return {.unix_socket = false, .ip = *ip, .port = 1};
}

}  // namespace

TEST_CASE("who shares an address, or an IPv6 /64, is counted together") {
  struct Row {
    std::string_view first;
    std::string_view second;
    bool together;
  };
  const std::vector<Row> rows{
      {"10.0.0.1", "10.0.0.1", true},
      {"10.0.0.1", "10.0.0.2", false},
      {"10.0.0.1", "::ffff:10.0.0.1", true},
      {"10.0.0.1", "::ffff:10.0.0.2", false},
      {"fd00:1:2:3::1", "fd00:1:2:3:ffff:ffff:ffff:ffff", true},
      {"fd00:1:2:3::1", "fd00:1:2:4::1", false},
      {"::1", "::2", true},
      {"::1", "127.0.0.1", false},
      {"::1", "0.0.0.0", false},
      {"0:ffff:a00:1::", "10.0.0.1", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.first);
    CAPTURE(row.second);
    Headcount count;
    CHECK(count.enter(from(row.first), 1));
    CHECK(count.enter(from(row.second), 1) == !row.together);
  }
}

TEST_CASE("there is room again when one leaves, and a bound of 0 is none") {
  Headcount count;
  const auth::Peer peer = from("192.0.2.1");
  CHECK(count.enter(peer, 2));
  CHECK(count.enter(peer, 2));
  CHECK_FALSE(count.enter(peer, 2));
  CHECK_FALSE(count.enter(peer, 2));
  count.leave(peer);
  CHECK(count.enter(peer, 2));
  CHECK_FALSE(count.enter(peer, 2));
  CHECK(count.enter(peer, 0));
  CHECK(count.enter(peer, 4));
  CHECK_FALSE(count.enter(peer, 4));
  for (int i = 0; i < 4; ++i) count.leave(peer);
  CHECK(count.enter(peer, 1));
}

TEST_CASE("clients of a Unix socket are not counted") {
  Headcount count;
  const auth::Peer peer{.unix_socket = true, .ip = {}, .port = 0};
  for (int i = 0; i < 10; ++i) CHECK(count.enter(peer, 1));
  count.leave(peer);
}

TEST_CASE("threads that come and go leave it empty") {
  Headcount count;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&count] {
        const auto ip = *conf::parse_ip("192.0.2.7");
        for (int turn = 0; turn < 10'000; ++turn) {
          const auth::Peer peer{.unix_socket = false, .ip = ip, .port = 1};
          if (count.enter(peer, 2)) count.leave(peer);
        }
      });
    }
  }
  CHECK(count.enter(from("192.0.2.7"), 1));
}
