#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "conf/config.hpp"

using namespace mcgate::conf;
using namespace std::string_view_literals;

TEST_CASE("addresses are written one way, and local is loopback or a Unix socket") {
  struct Row {
    std::string_view text, written;
    bool local;
  };
  const std::vector<Row> rows{
      {"127.0.0.1:11211", "127.0.0.1:11211", true},
      {"0.0.0.0:0", "0.0.0.0:0", false},
      {"10.0.0.1:65535", "10.0.0.1:65535", false},
      {"[::1]:11211", "[::1]:11211", true},
      {"[0:0::1]:11211", "[::1]:11211", true},
      {"[::]:1", "[::]:1", false},
      {"[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.1]:1", true},
      {"[::ffff:8.8.8.8]:1", "[::ffff:8.8.8.8]:1", false},
      {"unix:/run/m.sock", "unix:/run/m.sock", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto address = parse_address(row.text);
    REQUIRE(address.has_value());
    CHECK(format(*address) == row.written);
    CHECK(address->is_local() == row.local);
  }
}

TEST_CASE("what is not an address is refused") {
  const std::string long_path = "unix:/" + std::string(107, 'x');
  REQUIRE(parse_address(std::string_view{long_path}.substr(0, long_path.size() - 1)).has_value());
  const std::vector<std::string_view> rows{
      "",          "127.0.0.1",    "127.0.0.1:",      ":11211",         "127.0.0.1:65536", "127.0.0.1:-1",
      "::1:11211", "[::1]",        "[127.0.0.1]:1",   "[::1:11211",     "localhost:11211", "127.0.0.1:+1",
      "[]:1",      "127.0.0.1:1 ", "unix:",           "unix:relative",  "unix:@abstract",  long_path,
      "/run/sock", "unix:/a\0b"sv, "127.0.0.1\0:1"sv, "[fe80::1%lo]:1", "127.1:80",
  };
  for (const std::string_view text : rows) {
    CAPTURE(text);
    CHECK_FALSE(parse_address(text).has_value());
  }
}
