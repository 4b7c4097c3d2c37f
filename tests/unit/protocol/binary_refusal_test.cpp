#include <doctest/doctest.h>

#include <optional>
#include <set>
#include <string>

#include "protocol/request.hpp"
#include "tests/unit/protocol/binary_packet.hpp"

using namespace mcgate::protocol;
using namespace mcgate::protocol::test;
using namespace std::literals;

namespace {

std::string error_packet(unsigned opcode, std::uint16_t status, const std::string& text) {
  return "\x81"s + big_endian(opcode, 1) + big_endian(0, 4) + big_endian(status, 2) +
         u32(static_cast<std::uint32_t>(text.size())) + u32(kOpaque) + u64(0) + text;
}

// The extras that each opcode takes, written down apart from the table under test.
std::optional<std::set<unsigned>> right_extras(unsigned opcode) {
  switch (opcode) {
    case 0x01:
    case 0x02:
    case 0x03:
    case 0x11:
    case 0x12:
    case 0x13:
      return std::set{8U};
    case 0x05:
    case 0x06:
    case 0x15:
    case 0x16:
      return std::set{20U};
    case 0x08:
    case 0x18:
      return std::set{0U, 4U};
    case 0x1c:
    case 0x1d:
    case 0x1e:
    case 0x23:
    case 0x24:
      return std::set{4U};
    case 0x1b:
      return std::nullopt;
    default:
      break;
  }
  if (opcode <= 0x22 && opcode != 0x1f) return std::set{0U};
  return std::nullopt;
}
bool takes_key(unsigned opcode) {
  static const std::set<unsigned> none{0x07, 0x08, 0x0a, 0x0b, 0x17, 0x18, 0x20};
  return right_extras(opcode) && !none.contains(opcode);
}
bool takes_value(unsigned opcode) {
  static const std::set<unsigned> some{0x01, 0x02, 0x03, 0x0e, 0x0f, 0x11,
                                       0x12, 0x13, 0x19, 0x1a, 0x21, 0x22};
  return some.contains(opcode);
}

}  // namespace

TEST_CASE("a binary request out of form is refused") {
  const std::string invalid = "Invalid arguments", unknown = "Unknown command", large = "Too large.";
  const ParseLimits limits{.value_bytes = 100, .swallow_bytes = 5000};
  // clang-format off
  struct {
    std::string name;
    Packet sent;
    std::uint16_t status;  // none: a silent miss
    std::string text;
    std::size_t dropped;  // consumed and swallowed, in bytes after the header; not checked where it closes
    bool close;
  } const rows[] = {
      {"extras on get", {.opcode = 0x00, .extras = u32(0), .key = "k"}, 4, invalid, 0, true},
      {"value on get", {.opcode = 0x00, .key = "k", .value = "v"}, 4, invalid, 0, true},
      {"get without key", {.opcode = 0x00}, 4, invalid, 0, true},
      {"quiet get without key", {.opcode = 0x09}, 4, invalid, 0, true},
      {"set without extras", {.opcode = 0x01, .key = "k"}, 4, invalid, 0, true},
      {"set without key", {.opcode = 0x01, .extras = kSetExtras}, 4, invalid, 0, true},
      {"append with extras", {.opcode = 0x0e, .extras = kSetExtras, .key = "k"}, 4, invalid, 0, true},
      {"value on delete", {.opcode = 0x04, .key = "k", .value = "v"}, 4, invalid, 0, true},
      {"extras of 4 on delete", {.opcode = 0x04, .extras = u32(0), .key = "k"}, 4, invalid, 0, true},
      {"extras of 8 on incr", {.opcode = 0x05, .extras = u64(0), .key = "k"}, 4, invalid, 0, true},
      {"value on incr", {.opcode = 0x05, .extras = kCreate, .key = "k", .value = "v"}, 4, invalid, 0, true},
      {"key on noop", {.opcode = 0x0a, .key = "k"}, 4, invalid, 0, true},
      {"value on version", {.opcode = 0x0b, .value = "v"}, 4, invalid, 0, true},
      {"key on quit", {.opcode = 0x07, .key = "k"}, 4, invalid, 0, true},
      {"key on flush", {.opcode = 0x08, .key = "k"}, 4, invalid, 0, true},
      {"extras of 3 on flush", {.opcode = 0x08, .extras = "abc"}, 4, invalid, 0, true},
      {"surplus on touch", {.opcode = 0x1c, .extras = u32(0), .key = "k", .value = "v"}, 4, invalid, 0, true},
      {"surplus on gat", {.opcode = 0x1d, .extras = u32(0), .key = "k", .value = "v"}, 4, invalid, 0, true},
      {"surplus on gatq", {.opcode = 0x1e, .extras = u32(0), .key = "k", .value = "v"}, 4, invalid, 0, true},
      {"surplus on gatk", {.opcode = 0x23, .extras = u32(0), .key = "k", .value = "v"}, 4, invalid, 0, true},
      {"surplus on gatkq", {.opcode = 0x24, .extras = u32(0), .key = "k", .value = "v"}, 4, invalid, 0, true},
      {"surplus on stat", {.opcode = 0x10, .key = "items", .value = Packet{.opcode = 8}.bytes()},
       4, invalid, 0, true},
      {"extras on stat", {.opcode = 0x10, .extras = u32(0)}, 4, invalid, 0, true},
      {"mechanism missing", {.opcode = 0x21, .value = "\0a\0b"s}, 4, invalid, 0, true},
      {"key on sasl list", {.opcode = 0x20, .key = "PLAIN"}, 4, invalid, 0, true},
      {"extras on sasl auth", {.opcode = 0x21, .extras = u32(0), .key = "PLAIN"}, 4, invalid, 0, true},
      {"key over body", {.opcode = 0x00, .key = "k", .key_bytes = 2}, 0x81, unknown, 0, true},
      {"key of 65535 over body", {.opcode = 0x00, .key = "k", .key_bytes = 65535}, 0x81, unknown, 0, true},
      {"extras over body", {.opcode = 0x01, .extras_bytes = 8}, 0x81, unknown, 0, true},
      {"extras and key over body", {.opcode = 0x01, .extras = kSetExtras, .key = "k", .body_bytes = 8},
       0x81, unknown, 0, true},
      {"unknown, key over body", {.opcode = 0xee, .key = "k", .key_bytes = 2}, 0x81, unknown, 0, true},
      {"verbosity", {.opcode = 0x1b, .extras = u32(1)}, 0x81, unknown, 4, false},
      {"rget", {.opcode = 0x30, .key = "k"}, 0x81, unknown, 1, false},
      {"rdecrq", {.opcode = 0x3c, .extras = kCreate, .key = "k"}, 0x81, unknown, 21, false},
      {"opcode 1f", {.opcode = 0x1f}, 0x81, unknown, 0, false},
      {"opcode 25", {.opcode = 0x25, .value = "GET / HTTP/1.1\r\n"}, 0x81, unknown, 16, false},
      {"opcode ff", {.opcode = 0xff, .key = "k", .value = "v"}, 0x81, unknown, 2, false},
      {"unknown, body at the bound", {.opcode = 0xff, .body_bytes = 5000}, 0x81, unknown, 5000, false},
      {"unknown, body over the bound", {.opcode = 0xff, .body_bytes = 5001}, 0x81, unknown, 0, true},
      {"value over the limit", {.opcode = 0x01, .extras = kSetExtras, .key = "k", .value = std::string(101,
       'v')}, 3, large, 110, false},
      {"quiet value over the limit", {.opcode = 0x11, .extras = kSetExtras, .key = "k",
       .value = std::string(101, 'v')}, 3, large, 110, false},
      {"append over the limit", {.opcode = 0x0e, .key = "k", .value = std::string(101, 'v')},
       3, large, 102, false},
      {"value over the swallow bound", {.opcode = 0x01, .extras = kSetExtras, .key = "k",
       .body_bytes = 5001}, 3, large, 0, true},
      {"mechanism of 33", {.opcode = 0x21, .key = std::string(33, 'm'), .value = "v"}, 4, invalid, 34, false},
      {"step's mechanism of 33", {.opcode = 0x22, .key = std::string(33, 'm')}, 4, invalid, 33, false},
      {"mechanism of 65535", {.opcode = 0x21, .key_bytes = 65535, .body_bytes = 65535}, 4, invalid, 0, true},
      {"token over 4096", {.opcode = 0x21, .key = "PLAIN", .value = std::string(4097, 't')},
       0x20, "Auth failure.", 4102, false},
      {"step's token over 4096", {.opcode = 0x22, .value = std::string(4097, 't')},
       0x20, "Auth failure.", 4097, false},
      {"key of 251", {.opcode = 0x00, .key = std::string(251, 'k')}, 4, invalid, 251, false},
      {"key of 251 on quiet set", {.opcode = 0x11, .extras = kSetExtras, .key = std::string(251, 'k')},
       4, invalid, 259, false},
      {"key of 251 on quiet get", {.opcode = 0x09, .key = std::string(251, 'k')}, 0, "", 251, false},
      {"key of 251 on stat", {.opcode = 0x10, .key = std::string(251, 'k')}, 4, invalid, 251, false},
      {"key with CRLF", {.opcode = 0x00, .key = "a\r\nflush_all\r\n"}, 4, invalid, 14, false},
      {"key with NUL", {.opcode = 0x04, .key = "a\0b"s}, 4, invalid, 3, false},
      {"key with space on getk", {.opcode = 0x0c, .key = "a b"}, 4, invalid, 3, false},
      {"key with DEL on touch", {.opcode = 0x1c, .extras = u32(0), .key = "a\x7f"}, 4, invalid, 6, false},
      {"bad key on quiet set", {.opcode = 0x11, .extras = kSetExtras, .key = "a b", .value = "v"},
       4, invalid, 12, false},
      {"bad key on quiet delete", {.opcode = 0x14, .key = "a b"}, 4, invalid, 3, false},
      {"bad key on getq", {.opcode = 0x09, .key = "a b"}, 0, "", 3, false},
      {"bad key on getkq", {.opcode = 0x0d, .key = "a b"}, 0, "", 3, false},
      {"bad key on gatq", {.opcode = 0x1e, .extras = u32(0), .key = "a b"}, 0, "", 7, false},
      {"bad key on gatkq", {.opcode = 0x24, .extras = u32(0), .key = "a b"}, 0, "", 7, false},
      {"stat resetX", {.opcode = 0x10, .key = "resetX"}, 1, "Not found", 6, false},
      {"stat rese", {.opcode = 0x10, .key = "rese"}, 1, "Not found", 4, false},
      {"stat Reset", {.opcode = 0x10, .key = "Reset"}, 1, "Not found", 5, false},
      {"stat reset and space", {.opcode = 0x10, .key = "reset "}, 1, "Not found", 6, false},
      {"stat reset and NUL", {.opcode = 0x10, .key = "reset\0"s}, 1, "Not found", 6, false},
      {"stat of a space", {.opcode = 0x10, .key = " "}, 1, "Not found", 1, false},
      {"stat items 1", {.opcode = 0x10, .key = "items 1"}, 1, "Not found", 7, false},
      {"stat settingsX", {.opcode = 0x10, .key = "settingsX"}, 1, "Not found", 9, false},
      {"stat detail", {.opcode = 0x10, .key = "detail"}, 1, "Not found", 6, false},
      {"stat detail and space", {.opcode = 0x10, .key = "detail "}, 1, "Not found", 7, false},
      {"stat detail onX", {.opcode = 0x10, .key = "detail onX"}, 1, "Not found", 10, false},
      {"stat detail  on", {.opcode = 0x10, .key = "detail  on"}, 1, "Not found", 10, false},
      {"stat sizes_enable", {.opcode = 0x10, .key = "sizes_enable"}, 1, "Not found", 12, false},
      // memcached knows this one in text only.
      {"stat cachedump", {.opcode = 0x10, .key = "cachedump 1 100"}, 1, "Not found", 15, false},
      {"flush in 2038", {.opcode = 0x08, .extras = u32(0x80000000)}, 4, invalid, 4, false},
      {"quiet flush in 2106", {.opcode = 0x18, .extras = u32(0xffffffff)}, 4, invalid, 4, false},
  };
  // clang-format on
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const std::string bytes = row.sent.bytes();
    Request request;
    const ParseResult result = at_every_split(bytes, limits, request);
    REQUIRE(std::holds_alternative<Broken>(result));
    const Broken& broken = std::get<Broken>(result);
    CHECK(broken.reply == (row.status == 0 ? "" : error_packet(row.sent.opcode, row.status, row.text)));
    CHECK(broken.close == row.close);
    CHECK(broken.consumed <= bytes.size());
    if (!row.close) CHECK(broken.consumed + broken.swallow == 24 + row.dropped);
    CHECK(request.caller.opcode == row.sent.opcode);
    CHECK(request.caller.opaque == row.sent.opaque);
  }
}

TEST_CASE("another magic closes at its first byte, without a word") {
  for (unsigned magic = 0; magic < 256; ++magic) {
    if (magic == 0x80) continue;
    CAPTURE(magic);
    Request request;
    const ParseResult result =
        at_every_split(Packet{.opcode = 0x00, .key = "k", .magic = magic}.bytes(), {}, request);
    REQUIRE(std::holds_alternative<Broken>(result));
    CHECK(std::get<Broken>(result).reply.empty());
    CHECK(std::get<Broken>(result).close);
  }
}

TEST_CASE("whatever a header claims, at most what the limits allow is asked for") {
  const ParseLimits limits{.value_bytes = 1000, .swallow_bytes = 100'000};
  const std::uint32_t bodies[] = {0x7fffffff, 0x80000000, 0x80000001, 0xfffffff0, 0xffffffff, 100'001};
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    CAPTURE(opcode);
    for (const std::uint32_t body : bodies) {
      CAPTURE(body);
      for (const unsigned key : {0U, 1U, 250U, 251U, 65535U}) {
        CAPTURE(key);
        for (const unsigned extras : {0U, 4U, 8U, 20U, 255U}) {
          CAPTURE(extras);
          Request request;
          const ParseResult result = parse_binary(
              Packet{.opcode = opcode, .key_bytes = key, .extras_bytes = extras, .body_bytes = body}.bytes(),
              limits, request);
          REQUIRE(std::holds_alternative<Broken>(result));
          CHECK(std::get<Broken>(result).close);
        }
      }
    }
  }
}

TEST_CASE("every opcode takes its own lengths of extras and key, and no others") {
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    CAPTURE(opcode);
    const auto right = right_extras(opcode);
    const std::string key = takes_key(opcode) ? (opcode == 0x10 ? "items" : "k") : "";
    for (unsigned extras = 0; extras < 256; ++extras) {
      CAPTURE(extras);
      Request request;
      const std::string bytes =
          Packet{.opcode = opcode, .extras = std::string(extras, '\0'), .key = key}.bytes();
      const ParseResult result = parse_binary(bytes, {}, request);
      CHECK(std::holds_alternative<Parsed>(result) == (right && right->contains(extras)));
      CHECK_FALSE(std::holds_alternative<NeedMore>(result));
    }
    if (!right) continue;
    const std::string extras(*right->rbegin(), '\0');
    for (unsigned size = 0; size <= 252; ++size) {
      CAPTURE(size);
      Request request;
      const std::string bytes =
          Packet{.opcode = opcode, .extras = extras, .key = std::string(size, 'k')}.bytes();
      const ParseResult result = parse_binary(bytes, {}, request);
      const bool sasl = opcode == 0x21 || opcode == 0x22;
      const bool expected = size == 0 ? (!takes_key(opcode) || opcode == 0x10 || opcode == 0x22)
                                      : takes_key(opcode) && opcode != 0x10 && size <= (sasl ? 32U : 250U);
      CHECK(std::holds_alternative<Parsed>(result) == expected);
    }
    Request request;
    const std::string valued = Packet{.opcode = opcode, .extras = extras, .key = key, .value = "v"}.bytes();
    CHECK(std::holds_alternative<Parsed>(parse_binary(valued, {}, request)) == takes_value(opcode));
  }
}

TEST_CASE("every byte as a key, in every opcode that has one") {
  for (unsigned opcode = 0; opcode < 0x25; ++opcode) {
    if (!takes_key(opcode) || opcode == 0x10 || opcode == 0x21 || opcode == 0x22) continue;
    CAPTURE(opcode);
    const std::string extras(*right_extras(opcode)->begin(), '\0');
    for (unsigned byte = 0; byte < 256; ++byte) {
      CAPTURE(byte);
      Request request;
      const std::string key = "a"s + static_cast<char>(byte) + "z";
      const std::string bytes = Packet{.opcode = opcode, .extras = extras, .key = key}.bytes();
      const bool good = byte > 0x20 && byte != 0x7f;
      CHECK(std::holds_alternative<Parsed>(parse_binary(bytes, {}, request)) == good);
    }
  }
}
