// Whom a listener lets say that they speak for others.
#include <doctest/doctest.h>

#include <string>

#include "tests/unit/conf/configs.hpp"

using namespace mcgate::conf;
using namespace mcgate::conf::test;

namespace {

std::string with_listener(const std::string& rest) {
  return "upstream = { address = \"127.0.0.1:2\" }\n[[listener]]\n" + rest;
}

}  // namespace

TEST_CASE("proxies: networks at an IP address, \"unix\" at a Unix socket") {
  const auto none = good(with_listener("address = \"127.0.0.1:1\""));
  CHECK_FALSE(none.listeners.at(0).is_for_proxies());
  const auto some =
      good(with_listener("address = \"127.0.0.1:1\"\nproxy_protocol_from = [\"10.0.0.0/8\", \"::1\"]"));
  REQUIRE(some.listeners.at(0).proxies.size() == 2);
  CHECK(some.listeners[0].is_for_proxies());
  CHECK_FALSE(some.listeners[0].unix_proxies);
  const auto unix_socket = good(
      with_listener("address = \"unix:/x\"\nproxy_protocol_from = [\"unix\"]\nnetworks = [\"10.0.0.0/8\"]"));
  CHECK(unix_socket.listeners.at(0).is_for_proxies());
  CHECK(unix_socket.listeners[0].networks.size() == 1);

  CHECK(problems(with_listener("address = \"127.0.0.1:1\"\nproxy_protocol_from = [\"unix\"]")) ==
        "f:4:24: \"unix\" is not an IPv4 or IPv6 address\n");
  CHECK(problems(with_listener("address = \"unix:/x\"\nproxy_protocol_from = [\"10.0.0.0/8\"]")) ==
        "f:4:24: all that come through a Unix socket come from \"unix\", and from no network\n");
  CHECK(problems(with_listener("address = \"unix:/x\"\nnetworks = [\"10.0.0.0/8\"]")) ==
        "f:4:12: networks cannot limit a unix: address: use mode\n");
  CHECK(problems(with_listener("address = \"127.0.0.1:1\"\nproxy_protocol_from = [\"10.0.0.1/8\"]")) ==
        "f:4:24: \"10.0.0.1/8\" has bits set past its prefix\n");
}
