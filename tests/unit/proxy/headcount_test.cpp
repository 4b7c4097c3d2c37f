#include "proxy/headcount.hpp"

#include <doctest/doctest.h>

#include <string_view>
#include <thread>
#include <vector>

using namespace mcgate;
using namespace mcgate::proxy;

namespace {

auth::PeerPlace from(std::string_view address) {
  const auto ip = conf::parse_ip(address);
  REQUIRE(ip.has_value());
  return auth::PeerPlace{{.unix_socket = false, .ip = *ip, .port = 1}};
}

}  // namespace

TEST_CASE("each place is counted by itself") {
  const std::vector<std::string_view> places{"10.0.0.1", "10.0.0.2", "fd00:1:2:3::1", "fd00:1:2:4::1", "::1"};
  Headcount count;
  for (const std::string_view place : places) {
    CAPTURE(place);
    CHECK(count.enter(from(place), 1));
    CHECK_FALSE(count.enter(from(place), 1));
  }
}

TEST_CASE("there is room again when one leaves, and a bound of 0 is none") {
  Headcount count;
  const auth::PeerPlace place = from("192.0.2.1");
  CHECK(count.enter(place, 2));
  CHECK(count.enter(place, 2));
  CHECK_FALSE(count.enter(place, 2));
  CHECK_FALSE(count.enter(place, 2));
  count.leave(place);
  CHECK(count.enter(place, 2));
  CHECK_FALSE(count.enter(place, 2));
  CHECK(count.enter(place, 0));
  CHECK(count.enter(place, 4));
  CHECK_FALSE(count.enter(place, 4));
  for (int i = 0; i < 4; ++i) count.leave(place);
  CHECK(count.enter(place, 1));
}

TEST_CASE("threads that come and go leave it empty") {
  Headcount count;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&count] {
        const auth::PeerPlace place{{.unix_socket = false, .ip = *conf::parse_ip("192.0.2.7"), .port = 1}};
        for (int turn = 0; turn < 10'000; ++turn) {
          if (count.enter(place, 2)) count.leave(place);
        }
      });
    }
  }
  CHECK(count.enter(from("192.0.2.7"), 1));
}
