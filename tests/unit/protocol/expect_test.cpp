// What is expected of a reply, in an object that served other requests before: of any dialect, session and
// namespace.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "protocol/reply.hpp"
#include "tests/unit/protocol/binary_packet.hpp"
#include "tests/unit/protocol/reply_feed.hpp"

namespace mcgate::protocol {
namespace {

constexpr std::uint32_t kSequence = 7;
constexpr Version kDebian{1, 6, 18};

std::string packet(unsigned magic, unsigned opcode, std::string extras, std::string key, std::string value) {
  return test::Packet{.opcode = opcode,
                      .extras = std::move(extras),
                      .key = std::move(key),
                      .value = std::move(value),
                      .opaque = kSequence,
                      .magic = magic}
      .bytes();
}

struct Row {
  std::string sent;
  std::string reply;  // memcached's
  std::string_view name_space = {};
};

const std::vector<Row>& rows() {
  static const std::string flags(4, '\x01');
  static const std::vector<Row> all{
      {"get a bc\r\n", "VALUE bc 0 1\r\nx\r\nEND\r\n"},
      {"get a\r\n", "VALUE ns:a 0 1\r\nx\r\nEND\r\n", "ns:"},
      {"gets a\r\n", "VALUE a 0 1 9\r\nx\r\nEND\r\n"},
      {"set a 0 0 1 noreply\r\nx\r\n", "STORED\r\n"},
      {"stats\r\n", "STAT pid 1\r\nEND\r\n", "ns:"},
      {"mg a\r\n", "HD O7\r\n"},
      {"mg YQ== b k v s Ox\r\n", "VA 1 s1 O7\r\nx\r\n", "ns:"},
      {"mg a v c q\r\n", "VA 1 c5 O7\r\nx\r\n"},
      {"md a k\r\n", "NF O7\r\n"},
      {"ma a t\r\n", "HD t-1 O7\r\n", "other:"},
      {"me a\r\n", "ME a exp=-1\r\n"},
      {"me bc\r\n", "ME bc exp=-1\r\n"},
      {packet(0x80, 0x00, {}, "a", {}), packet(0x81, 0x00, flags, {}, "x")},
      {packet(0x80, 0x0c, {}, "a", {}), packet(0x81, 0x0c, flags, "ns:a", "x"), "ns:"},
      {packet(0x80, 0x0d, {}, "bc", {}), packet(0x81, 0x0c, flags, "bc", "x")},
      {packet(0x80, 0x14, {}, "a", {}), packet(0x81, 0x04, {}, {}, {}), "other:"},
      {packet(0x80, 0x10, {}, {}, {}), packet(0x81, 0x10, {}, "pid", "1") + packet(0x81, 0x10, {}, {}, {}),
       "ns:"},
  };
  return all;
}

void expect_reply_to(const Row& row, Expected& expected) {
  Request request;
  ParseLimits limits;
  limits.namespace_bytes = row.name_space.size();
  const ParseResult parsed = row.sent.front() == kBinaryMagic ? parse_binary(row.sent, limits, request)
                                                              : parse_text(row.sent, limits, request);
  REQUIRE(std::holds_alternative<Parsed>(parsed));
  request.name_space = row.name_space;
  request.may_recache = row.name_space.empty();  // so that some are not told W, X and Z
  expect(request, kSequence, kDebian, expected);
}

Fed feed_whole(std::string_view reply, const Expected& expected) {
  return feed_chunks(reply, expected, {reply.size()});
}

TEST_CASE("an Expected that is used again takes, refuses and tells what a new one does") {
  for (const Row& before : rows()) {
    for (const Row& row : rows()) {
      CAPTURE(before.sent);
      CAPTURE(row.sent);
      Expected fresh;
      expect_reply_to(row, fresh);
      Expected used;
      expect_reply_to(before, used);
      std::string told;
      read_reply(before.reply, used, told);
      used.line_goes_on = used.window_goes_on = true;
      expect_reply_to(row, used);
      CHECK(feed_whole(row.reply, used).came == Came::ToEnd);
      for (const Row& other : rows()) {
        CAPTURE(other.reply);
        CHECK(feed_whole(other.reply, used) == feed_whole(other.reply, fresh));
      }
    }
  }
}

}  // namespace
}  // namespace mcgate::protocol
