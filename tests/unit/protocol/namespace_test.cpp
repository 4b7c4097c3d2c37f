// A namespace on its way: put before each key, taken off each reply, measured with the key.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "protocol/binary.hpp"
#include "protocol/reply.hpp"
#include "tests/unit/protocol/binary_packet.hpp"
#include "tests/unit/protocol/reply_feed.hpp"

namespace mcgate::protocol {
namespace {

constexpr std::string_view kNamespace = "ns:";

// Parses one request of either protocol, as the client of a namespace sends it.
void parse(std::string_view input, Request& request) {
  ParseLimits limits;
  limits.namespace_bytes = kNamespace.size();
  const bool binary = input.front() == kBinaryMagic;
  const ParseResult result =
      binary ? parse_binary(input, limits, request) : parse_text(input, limits, request);
  REQUIRE(std::holds_alternative<Parsed>(result));
  request.name_space = kNamespace;
}

std::string packet(unsigned magic, unsigned opcode, std::string extras, std::string key, std::string value,
                   std::uint32_t opaque, unsigned status = 0) {
  return test::Packet{.opcode = opcode,
                      .extras = std::move(extras),
                      .key = std::move(key),
                      .value = std::move(value),
                      .opaque = opaque,
                      .magic = magic,
                      .vbucket = status}
      .bytes();
}

struct Row {
  std::string sent;     // by the client
  std::string goes_up;  // with the sequence number 7
  std::string reply;    // memcached's
  std::string told;     // to the client
};

void check(const Row& row) {
  CAPTURE(row.sent);
  Request request;
  parse(row.sent, request);
  std::string out;
  compose(request, 7, out);
  CHECK(out == row.goes_up);
  Expected expected;
  expect(request, 7, {1, 6, 18}, expected);
  const Fed fed = feed(row.reply, expected);
  CHECK(fed.came == Came::ToEnd);
  CHECK(fed.out == row.told);
}

TEST_CASE("a namespace is put before each key and taken off its reply, in text") {
  const Row rows[] = {
      {"get a b ns:c\r\n", "get ns:a ns:b ns:ns:c\r\n",
       "VALUE ns:a 1 1\r\nx\r\nVALUE ns:ns:c 0 0\r\n\r\nEND\r\n",
       "VALUE a 1 1\r\nx\r\nVALUE ns:c 0 0\r\n\r\nEND\r\n"},
      {"gats 5 a\r\n", "gats 5 ns:a\r\n", "VALUE ns:a 1 5 9\r\nVALUE\r\nEND\r\n",
       "VALUE a 1 5 9\r\nVALUE\r\nEND\r\n"},
      {"set a 1 2 3\r\nns:\r\n", "set ns:a 1 2 3\r\nns:\r\n", "STORED\r\n", "STORED\r\n"},
      {"cas a 1 2 1 5\r\nx\r\n", "cas ns:a 1 2 1 5\r\nx\r\n", "EXISTS\r\n", "EXISTS\r\n"},
      {"incr a 5\r\n", "incr ns:a 5\r\n", "7\r\n", "7\r\n"},
      {"touch a 5\r\n", "touch ns:a 5\r\n", "TOUCHED\r\n", "TOUCHED\r\n"},
      {"delete a\r\n", "delete ns:a\r\n", "NOT_FOUND\r\n", "NOT_FOUND\r\n"},
      {"stats\r\n", "stats\r\n", "STAT pid 1\r\nEND\r\n", "STAT pid 1\r\nEND\r\n"},
  };
  for (const Row& row : rows) check(row);
}

TEST_CASE("a namespace in meta: base64 is decoded before it is put there") {
  const Row rows[] = {
      {"mg a v k\r\n", "mg ns:a v O7\r\n", "VA 1 O7\r\nx\r\n", "VA 1 ka\r\nx\r\n"},
      {"mg YQ== b k\r\n", "mg ns:a O7\r\n", "HD O7\r\n", "HD kYQ== b\r\n"},
      {"ms YQ== 1 b T5\r\nx\r\n", "ms ns:a 1 T5 O7\r\nx\r\n", "HD O7\r\n", "HD\r\n"},
      {"md a k\r\n", "md ns:a O7\r\n", "NF O7\r\n", "NF ka\r\n"},
      {"ma a N0 v\r\n", "ma ns:a N0 v O7\r\n", "VA 1 O7\r\n0\r\n", "VA 1\r\n0\r\n"},
      {"me a\r\n", "me ns:a\r\n", "ME ns:a exp=-1 la=1\r\n", "ME a exp=-1 la=1\r\n"},
      {"me a\r\n", "me ns:a\r\n", "ME bnM6YQ== exp=-1 la=1\r\n", "ME a exp=-1 la=1\r\n"},
  };
  for (const Row& row : rows) check(row);
}

TEST_CASE("a namespace in binary: the lengths are of the key that stands there") {
  const std::string flags(4, '\x01');
  const std::string none(4, '\0');
  const Row rows[] = {
      {packet(0x80, 0x00, {}, "a", {}, 3), packet(0x80, 0x00, {}, "ns:a", {}, 7),
       packet(0x81, 0x00, flags, {}, "xy", 7), packet(0x81, 0x00, flags, {}, "xy", 3)},
      {packet(0x80, 0x0d, {}, "a", {}, 3), packet(0x80, 0x0c, {}, "ns:a", {}, 7),
       packet(0x81, 0x0c, flags, "ns:a", "xy", 7), packet(0x81, 0x0d, flags, "a", "xy", 3)},
      {packet(0x80, 0x0c, {}, "a", {}, 3), packet(0x80, 0x0c, {}, "ns:a", {}, 7),
       packet(0x81, 0x0c, {}, "ns:a", {}, 7, 1), packet(0x81, 0x0c, {}, "a", {}, 3, 1)},
      {packet(0x80, 0x24, none, "a", {}, 3), packet(0x80, 0x23, none, "ns:a", {}, 7),
       packet(0x81, 0x23, flags, "ns:a", {}, 7), packet(0x81, 0x24, flags, "a", {}, 3)},
      {packet(0x80, 0x01, none + none, "a", "v", 3), packet(0x80, 0x01, none + none, "ns:a", "v", 7),
       packet(0x81, 0x01, {}, {}, {}, 7), packet(0x81, 0x01, {}, {}, {}, 3)},
      {packet(0x80, 0x10, {}, {}, {}, 3), packet(0x80, 0x10, {}, {}, {}, 7),
       packet(0x81, 0x10, {}, "pid", "1", 7) + packet(0x81, 0x10, {}, {}, {}, 7),
       packet(0x81, 0x10, {}, "pid", "1", 3) + packet(0x81, 0x10, {}, {}, {}, 3)},
  };
  for (const Row& row : rows) check(row);
}

TEST_CASE("a reply without the namespace, or of another, is poison") {
  const Row rows[] = {
      {"get a\r\n", {}, "VALUE a 0 1\r\nx\r\nEND\r\n", {}},
      {"get a\r\n", {}, "VALUE nx:a 0 1\r\nx\r\nEND\r\n", {}},
      {"me a\r\n", {}, "ME a exp=-1\r\n", {}},
      {packet(0x80, 0x0c, {}, "a", {}, 3), {}, packet(0x81, 0x0c, "0000", "a", "xy", 7), {}},
      {packet(0x80, 0x0c, {}, "a", {}, 3), {}, packet(0x81, 0x0c, "0000", "nx:a", "xy", 7), {}},
      {packet(0x80, 0x0c, {}, "a", {}, 3), {}, packet(0x81, 0x0c, {}, "a", {}, 7, 1), {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.sent);
    Request request;
    parse(row.sent, request);
    Expected expected;
    expect(request, 7, {1, 6, 18}, expected);
    CHECK(feed(row.reply, expected).came == Came::ToPoison);
  }
}

}  // namespace
}  // namespace mcgate::protocol
