// Packets of binary requests, right and wrong, for the tests of their parser.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/request.hpp"

namespace mcgate::protocol::test {

inline std::string big_endian(std::uint64_t number, int bytes) {
  std::string out;
  while (bytes-- > 0) out += static_cast<char>((number >> (8 * static_cast<unsigned>(bytes))) & 0xffU);
  return out;
}
inline std::string u32(std::uint32_t number) {
  return big_endian(number, 4);
}
inline std::string u64(std::uint64_t number) {
  return big_endian(number, 8);
}

inline constexpr std::uint32_t kOpaque = 0x01020304;

// A request's packet, its lengths right unless said otherwise.
struct Packet {
  unsigned opcode = 0;
  std::string extras = {};
  std::string key = {};
  std::string value = {};
  std::uint64_t cas = 0;
  std::uint32_t opaque = kOpaque;
  unsigned magic = 0x80, datatype = 0, vbucket = 0;
  std::optional<unsigned> key_bytes = {}, extras_bytes = {};
  std::optional<std::uint32_t> body_bytes = {};

  std::string bytes() const {
    const std::string body = extras + key + value;
    return big_endian(magic, 1) + big_endian(opcode, 1) + big_endian(key_bytes.value_or(key.size()), 2) +
           big_endian(extras_bytes.value_or(extras.size()), 1) + big_endian(datatype, 1) +
           big_endian(vbucket, 2) + u32(body_bytes.value_or(body.size())) + u32(opaque) + u64(cas) + body;
  }
};

// The parser keeps nothing between calls: what it says of every beginning of the input is what it would say
// of it at every split, and byte by byte.
inline ParseResult at_every_split(std::string_view input, const ParseLimits& limits, Request& request) {
  const ParseResult whole = parse_binary(input, limits, request);
  for (std::size_t size = 0; size < input.size(); ++size) {
    CAPTURE(size);
    Request other;
    const std::string part{input.substr(0, size)};  // a copy of its own, so that reading past it is seen
    const ParseResult result = parse_binary(part, limits, other);
    if (const auto* more = std::get_if<NeedMore>(&result)) {
      CHECK(more->total > size);
      if (const auto* parsed = std::get_if<Parsed>(&whole)) CHECK(more->total <= parsed->consumed);
    } else if (const auto* broken = std::get_if<Broken>(&result)) {
      REQUIRE(std::holds_alternative<Broken>(whole));
      CHECK(broken->consumed == std::get<Broken>(whole).consumed);
      CHECK(broken->swallow == std::get<Broken>(whole).swallow);
      CHECK(broken->reply == std::get<Broken>(whole).reply);
      CHECK(broken->close == std::get<Broken>(whole).close);
    } else {
      FAIL("parsed before it was whole");
    }
  }
  return parse_binary(input, limits, request);
}

// Extras of a set, and of an incr that creates what it doesn't find, or doesn't.
inline const std::string kSetExtras = u32(5) + u32(60);
inline const std::string kCreate = u64(2) + u64(7) + u32(60);
inline const std::string kNoCreate = u64(2) + u64(7) + u32(0xffffffff);

}  // namespace mcgate::protocol::test
