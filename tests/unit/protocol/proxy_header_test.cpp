#include "protocol/proxy_header.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace mcgate::protocol;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

constexpr auto kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;

std::string header(std::string_view fixed, std::size_t length, std::string_view rest) {
  std::string made{kSignature};
  made += fixed;
  made += static_cast<char>(length >> 8U);
  made += static_cast<char>(length & 0xffU);
  return made += rest;
}

std::string header(std::string_view fixed, std::string_view rest) {
  return header(fixed, rest.size(), rest);
}

std::string said(const std::expected<std::optional<ProxyHeader>, std::string_view>& result) {
  if (!result) return std::string{result.error()};
  if (!*result) return "more";
  const ProxyHeader& found = **result;
  std::string text;
  switch (found.client) {
    case ProxyHeader::Client::Itself:
      text = "itself";
      break;
    case ProxyHeader::Client::Unknown:
      text = "unknown";
      break;
    case ProxyHeader::Client::Text:
      text = std::string{found.text} + " " + std::to_string(found.port);
      break;
    case ProxyHeader::Client::Bytes:
      for (std::size_t i = found.is_ipv6 ? 0 : 12; i < 16; ++i)
        text += std::to_string(found.address[i]) + ".";
      text += " " + std::to_string(found.port);
      break;
  }
  return text + (found.is_ipv6 ? " v6" : "");
}

const std::string kFour = "\xc0\0\2\1\xc0\0\2\2\x12\x67\x2b\xcb"s;  // 192.0.2.1:4711 to 192.0.2.2:11211
const std::string kSix =
    "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
    "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\2"
    "\x12\x67\x2b\xcb"s;

struct Row {
  std::string input;
  std::string_view said;
};

TEST_CASE("a PROXY header is what it is at every split, and nothing beyond it counts") {
  const std::vector<Row> rows{
      {"PROXY TCP4 192.0.2.1 192.0.2.2 4711 11211\r\n", "192.0.2.1 4711"},
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255 65535"},
      {"PROXY TCP4 1.2.3.4 5.6.7.8 0 0\r\n", "1.2.3.4 0"},
      {"PROXY TCP6 2001:db8::1 ::2 4711 11211\r\n", "2001:db8::1 4711 v6"},
      {"PROXY TCP6 ::ffff:1.2.3.4 ::1 1 2\r\n", "::ffff:1.2.3.4 1 v6"},
      {"PROXY UNKNOWN\r\n", "unknown"},
      {"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "unknown"},
      {"PROXY UNKNOWN " + std::string(107 - 16, 'x') + "\r\n", "unknown"},
      {header("\x21\x11", kFour), "192.0.2.1. 4711"},
      {header("\x21\x11", kFour + "\x03\0\4abcd"s), "192.0.2.1. 4711"},
      {header("\x21\x21", kSix), "32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1. 4711 v6"},
      {header("\x21\x21", kSix + std::string(4096 - 16 - 36, 't')),
       "32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1. 4711 v6"},
      {header("\x21\x31", std::string(216, 'u')), "unknown"},
      {header("\x21\0"s, ""), "unknown"},
      {header("\x21\0"s, "what there is to skip"), "unknown"},
      {header("\x20\0"s, ""), "itself"},
      {header("\x20\x11", kFour), "itself"},
      {header("\x20\x77", "x"), "itself"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.input);
    for (std::size_t size = 0; size < row.input.size(); ++size) {
      CAPTURE(size);
      CHECK(said(parse_proxy_header(std::string_view{row.input}.substr(0, size))) == "more");
    }
    for (const auto rest : {""sv, "\x16\x03\x01"sv, "PROXY TCP4 "sv, "\r\n"sv}) {
      const std::string input = row.input + std::string{rest};
      const auto result = parse_proxy_header(input);
      CHECK(said(result) == row.said);
      REQUIRE((result && *result));
      CHECK((*result)->size == row.input.size());
    }
  }
}

TEST_CASE("what is no PROXY header is refused, as soon as it shows and from then on") {
  constexpr auto kNone = "no PROXY header"sv;
  constexpr auto kLine = "a PROXY line that cannot be read"sv;
  constexpr auto kFamily = "a PROXY line of an unknown family"sv;
  const std::vector<Row> rows{
      {"\x16\x03\x01", kNone},
      {"get k\r\n", kNone},
      {"\x80\x0a"s, kNone},
      {"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", kNone},
      {"PROXY\tTCP4", kNone},
      {"\r\n\r\n\0\r\nQUIX"s, kNone},
      {"\r\nPROXY", kNone},
      {"PROXY \r\n", kFamily},
      {"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", kFamily},
      {"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", kFamily},
      {"PROXY UNKNOWNS\r\n", kFamily},
      {"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n", kFamily},
      {"PROXY TCP4\r\n", kLine},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", kLine},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", kLine},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", kLine},
      {"PROXY TCP4 1.2.3.4  1.2.3.4 1 2\r\n", kLine},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", kLine},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", kLine},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n", kLine},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n", kLine},
      {"PROXY TCP4 ::1 1.2.3.4 1 2\r\n", kLine},
      {"PROXY TCP6 1.2.3.4 ::1 1 2\r\n", kLine},
      {"PROXY TCP6 ::1%lo ::1 1 2\r\n", kLine},
      {"PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n"s, kLine},
      {"PROXY UNKNOWN " + std::string(107 - 14, 'x'), "a PROXY line without an end"},
      {"PROXY UNKNOWN " + std::string(107 - 15, 'x') + "\r\n", "a PROXY line without an end"},
      {header("\x11\x11", kFour), "a PROXY header of an unknown version or command"},
      {header("\x22\x11", kFour), "a PROXY header of an unknown version or command"},
      {header("\x21\x12", kFour), "a PROXY header of an unknown family or transport"},
      {header("\x21\x22", kSix), "a PROXY header of an unknown family or transport"},
      {header("\x21\x32", std::string(216, 'u')), "a PROXY header of an unknown family or transport"},
      {header("\x21\x11", kFour.substr(1)), "a PROXY header too short for its addresses"},
      {header("\x21\x21", kSix.substr(1)), "a PROXY header too short for its addresses"},
      {header("\x21\x31", std::string(215, 'u')), "a PROXY header too short for its addresses"},
      {header("\x21\x11", 4081, ""), "a PROXY header that is too long"},
      {header("\x20\0"s, 65535, ""), "a PROXY header that is too long"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.input);
    CHECK(said(parse_proxy_header(row.input)) == row.said);
    CHECK(said(parse_proxy_header(row.input + "more of it\r\n")) == row.said);
  }
}

}  // namespace
