#include "conf/network.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace mcgate::conf;
using namespace std::string_view_literals;

TEST_CASE("IP addresses are read strictly and written one way") {
  struct Row {
    std::string_view text, written;  // nothing written: refused
    bool loopback = false;
  };
  const std::vector<Row> rows{
      {"127.0.0.1", "127.0.0.1", true},
      {"127.255.255.254", "127.255.255.254", true},
      {"128.0.0.1", "128.0.0.1"},
      {"::1", "::1", true},
      {"0:0::0:1", "::1", true},
      {"::ffff:127.0.0.1", "127.0.0.1", true},
      {"::2", "::2"},
      {"::127.0.0.1", "::127.0.0.1"},
      {"FD00::A", "fd00::a"},
      {"0.0.0.0", "0.0.0.0"},
      {"", ""},
      {"127.1", ""},
      {"127.0.0.01", ""},
      {"256.0.0.1", ""},
      {" 127.0.0.1", ""},
      {"127.0.0.1 ", ""},
      {"127.0.0.1\0"sv, ""},
      {"::1\0x"sv, ""},
      {"fe80::1%eth0", ""},
      {"[::1]", ""},
      {"localhost", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto address = parse_ip(row.text);
    REQUIRE(address.has_value() == !row.written.empty());
    if (!address) continue;
    CHECK(format(*address) == row.written);
    CHECK(address->is_loopback() == row.loopback);
  }
}

TEST_CASE("networks hold what their prefix says") {
  struct Row {
    std::string_view network, address;
    bool contains;
  };
  const std::vector<Row> rows{
      {"10.0.0.0/8", "10.255.0.1", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"10.0.0.0/8", "::ffff:10.1.2.3", true},
      {"10.20.0.0/15", "10.21.255.255", true},
      {"10.20.0.0/15", "10.22.0.0", false},
      {"10.0.0.1", "10.0.0.1", true},
      {"10.0.0.1", "10.0.0.2", false},
      {"0.0.0.0/0", "8.8.8.8", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "2001:db8::1", true},
      {"fd00::/9", "fd7f::1", true},
      {"fd00::/9", "fd80::1", false},
      {"::1/128", "::1", true},
      {"::ffff:10.0.0.0/104", "10.9.9.9", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.network);
    CAPTURE(row.address);
    const auto network = parse_network(row.network);
    REQUIRE(network.has_value());
    CHECK(network->contains(*parse_ip(row.address)) == row.contains);
  }
}

TEST_CASE("networks that are not are refused") {
  for (const std::string_view text :
       {"10.0.0.1/8"sv, "10.0.0.0/33"sv, "10.0.0.0/"sv, "10.0.0.0/-1"sv, "10.0.0.0/+8"sv, "10.0.0.0/8 "sv,
        "10.0.0.0/8/8"sv, "::/129"sv, "fd80::/8"sv, "/8"sv, ""sv, "10.0.0.0/256"sv,
        "10.0.0.0/4294967304"sv}) {
    CAPTURE(text);
    CHECK_FALSE(parse_network(text).has_value());
  }
}

TEST_CASE("no networks admit anywhere, some admit theirs only") {
  const IpAddress address = *parse_ip("10.0.0.1");
  CHECK(admits({}, address));
  const std::vector<Network> networks{*parse_network("192.168.0.0/16"), *parse_network("10.0.0.0/24")};
  CHECK(admits(networks, address));
  CHECK_FALSE(admits(networks, *parse_ip("10.0.1.1")));
}
