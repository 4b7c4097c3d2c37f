#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "protocol/binary.hpp"
#include "protocol/request.hpp"
#include "tests/unit/protocol/binary_packet.hpp"

using namespace mcgate::protocol;
using namespace mcgate::protocol::test;
using namespace std::literals;

namespace {

std::string composed(const Request& request) {
  std::string out;
  compose_binary(request, 0xa1b2c3d4, out);
  return out;
}

}  // namespace

TEST_CASE("a binary request in form is parsed and sent on in its loud, canonical form") {
  using enum Command;
  const CommandSet gat = CommandSet{Gat} | Touch;
  // clang-format off
  struct {
    Packet sent;
    Command command;
    bool quiet;
    CommandSet needs;
    Packet forwarded;  // but for the opaque
  } const rows[] = {
      {{.opcode = 0x00, .key = "k"}, Get, false, Get, {.opcode = 0x00, .key = "k"}},
      {{.opcode = 0x09, .key = "k"}, Get, true, Get, {.opcode = 0x00, .key = "k"}},
      {{.opcode = 0x0c, .key = "k"}, Get, false, Get, {.opcode = 0x0c, .key = "k"}},
      {{.opcode = 0x0d, .key = "k"}, Get, true, Get, {.opcode = 0x0c, .key = "k"}},
      // A get's cas means nothing; datatype and vbucket mean nothing anywhere, and stay here.
      {{.opcode = 0x00, .key = "k", .cas = 9}, Get, false, Get, {.opcode = 0x00, .key = "k"}},
      {{.opcode = 0x00, .key = "k", .datatype = 0xff, .vbucket = 0xffff},
       Get, false, Get, {.opcode = 0x00, .key = "k"}},
      {{.opcode = 0x00, .key = std::string(250, '\xff')},
       Get, false, Get, {.opcode = 0x00, .key = std::string(250, '\xff')}},
      {{.opcode = 0x01, .extras = kSetExtras, .key = "k", .value = "v\r\n\0"s, .cas = 9, .datatype = 1},
       Set, false, Set, {.opcode = 0x01, .extras = kSetExtras, .key = "k", .value = "v\r\n\0"s, .cas = 9}},
      {{.opcode = 0x11, .extras = kSetExtras, .key = "k"},
       Set, true, Set, {.opcode = 0x01, .extras = kSetExtras, .key = "k"}},
      {{.opcode = 0x02, .extras = kSetExtras, .key = "k", .value = "v"},
       Add, false, Add, {.opcode = 0x02, .extras = kSetExtras, .key = "k", .value = "v"}},
      // To memcached an add with a cas is a cas: it overwrites (seen on 1.6.18).
      {{.opcode = 0x12, .extras = kSetExtras, .key = "k", .value = "v", .cas = 1},
       Add, true, CommandSet{Add} | Cas, {.opcode = 0x02, .extras = kSetExtras, .key = "k", .value = "v",
       .cas = 1}},
      {{.opcode = 0x13, .extras = kSetExtras, .key = "k", .value = "v", .cas = ~0ULL},
       Replace, true, Replace, {.opcode = 0x03, .extras = kSetExtras, .key = "k", .value = "v",
       .cas = ~0ULL}},
      {{.opcode = 0x04, .key = "k", .cas = 3}, Delete, false, Delete, {.opcode = 0x04, .key = "k", .cas = 3}},
      {{.opcode = 0x14, .key = "k"}, Delete, true, Delete, {.opcode = 0x04, .key = "k"}},
      {{.opcode = 0x05, .extras = kCreate, .key = "k"},
       Incr, false, CommandSet{Incr} | Set, {.opcode = 0x05, .extras = kCreate, .key = "k"}},
      {{.opcode = 0x15, .extras = kNoCreate, .key = "k"},
       Incr, true, Incr, {.opcode = 0x05, .extras = kNoCreate, .key = "k"}},
      {{.opcode = 0x06, .extras = kNoCreate, .key = "k", .cas = 2},
       Decr, false, Decr, {.opcode = 0x06, .extras = kNoCreate, .key = "k", .cas = 2}},
      {{.opcode = 0x16, .extras = u64(~0ULL) + u64(~0ULL) + u32(0), .key = "k"},
       Decr, true, CommandSet{Decr} | Set, {.opcode = 0x06, .extras = u64(~0ULL) + u64(~0ULL) + u32(0),
       .key = "k"}},
      {{.opcode = 0x08}, FlushAll, false, FlushAll, {.opcode = 0x08}},
      {{.opcode = 0x18, .extras = u32(0)}, FlushAll, true, FlushAll, {.opcode = 0x08}},
      {{.opcode = 0x08, .extras = u32(30)}, FlushAll, false, FlushAll, {.opcode = 0x08, .extras = u32(30)}},
      {{.opcode = 0x0e, .key = "k", .value = "v"},
       Append, false, Append, {.opcode = 0x0e, .key = "k", .value = "v"}},
      {{.opcode = 0x19, .key = "k", .value = "v", .cas = 8},
       Append, true, Append, {.opcode = 0x0e, .key = "k", .value = "v", .cas = 8}},
      {{.opcode = 0x0f, .key = "k"}, Prepend, false, Prepend, {.opcode = 0x0f, .key = "k"}},
      {{.opcode = 0x1a, .key = "k", .value = "v"},
       Prepend, true, Prepend, {.opcode = 0x0f, .key = "k", .value = "v"}},
      {{.opcode = 0x1c, .extras = u32(9), .key = "k"},
       Touch, false, Touch, {.opcode = 0x1c, .extras = u32(9), .key = "k"}},
      {{.opcode = 0x1d, .extras = u32(9), .key = "k"},
       Gat, false, gat, {.opcode = 0x1d, .extras = u32(9), .key = "k"}},
      {{.opcode = 0x1e, .extras = u32(9), .key = "k"},
       Gat, true, gat, {.opcode = 0x1d, .extras = u32(9), .key = "k"}},
      {{.opcode = 0x23, .extras = u32(9), .key = "k"},
       Gat, false, gat, {.opcode = 0x23, .extras = u32(9), .key = "k"}},
      {{.opcode = 0x24, .extras = u32(9), .key = "k"},
       Gat, true, gat, {.opcode = 0x23, .extras = u32(9), .key = "k"}},
      // An exptime from 2^31 on is no negative number to memcached but a date: never, not expired.
      {{.opcode = 0x01, .extras = u32(5) + u32(0xffffffff), .key = "k"},
       Set, false, Set, {.opcode = 0x01, .extras = u32(5) + u32(0), .key = "k"}},
      {{.opcode = 0x01, .extras = u32(5) + u32(0x7fffffff), .key = "k"},
       Set, false, Set, {.opcode = 0x01, .extras = u32(5) + u32(0x7fffffff), .key = "k"}},
      {{.opcode = 0x1d, .extras = u32(0x80000000), .key = "k"},
       Gat, false, gat, {.opcode = 0x1d, .extras = u32(0), .key = "k"}},
      {{.opcode = 0x05, .extras = u64(2) + u64(7) + u32(0xfffffffe), .key = "k"},
       Incr, false, CommandSet{Incr} | Set, {.opcode = 0x05, .extras = u64(2) + u64(7) + u32(0), .key = "k"}},
      {{.opcode = 0x10}, Stats, false, Stats, {.opcode = 0x10}},
      {{.opcode = 0x10, .key = "items"}, StatsItems, false, StatsItems, {.opcode = 0x10, .key = "items"}},
      {{.opcode = 0x10, .key = "slabs"}, StatsSlabs, false, StatsSlabs, {.opcode = 0x10, .key = "slabs"}},
      {{.opcode = 0x10, .key = "sizes"}, StatsSizes, false, StatsSizes, {.opcode = 0x10, .key = "sizes"}},
      {{.opcode = 0x10, .key = "conns"}, StatsConns, false, StatsConns, {.opcode = 0x10, .key = "conns"}},
      {{.opcode = 0x10, .key = "reset"}, StatsReset, false, StatsReset, {.opcode = 0x10, .key = "reset"}},
      {{.opcode = 0x10, .key = "settings"},
       StatsSettings, false, StatsSettings, {.opcode = 0x10, .key = "settings"}},
      {{.opcode = 0x10, .key = "extstore"},
       StatsExtstore, false, StatsExtstore, {.opcode = 0x10, .key = "extstore"}},
      {{.opcode = 0x10, .key = "detail on"},
       StatsDetail, false, StatsDetail, {.opcode = 0x10, .key = "detail on"}},
      {{.opcode = 0x10, .key = "detail off"},
       StatsDetail, false, StatsDetail, {.opcode = 0x10, .key = "detail off"}},
      {{.opcode = 0x10, .key = "detail dump"},
       StatsDetail, false, StatsDetail, {.opcode = 0x10, .key = "detail dump"}},
  };
  // clang-format on
  for (const auto& row : rows) {
    const std::string bytes = row.sent.bytes();
    CAPTURE(bytes);
    Request request;
    const ParseResult result = at_every_split(bytes, {}, request);
    REQUIRE(std::holds_alternative<Parsed>(result));
    CHECK(std::get<Parsed>(result).consumed == bytes.size());
    CHECK(request.caller.command == row.command);
    CHECK(request.caller.dialect == Dialect::Binary);
    CHECK(request.caller.quiet == row.quiet);
    CHECK(request.caller.opcode == row.sent.opcode);
    CHECK(request.caller.opaque == row.sent.opaque);
    CHECK(request.needs == row.needs);
    CHECK(request.value == row.sent.value);
    Packet forwarded = row.forwarded;
    forwarded.opaque = 0xa1b2c3d4;
    CHECK(composed(request) == forwarded.bytes());

    // What is sent on means the same when it is read again.
    const std::string again = forwarded.bytes();
    Request second;
    REQUIRE(std::holds_alternative<Parsed>(parse_binary(again, {}, second)));
    CHECK(second.needs == request.needs);
    CHECK(composed(second) == again);
  }
}

TEST_CASE("the numbers of a binary request are those of its extras") {
  Request request;
  const std::string incr =
      Packet{.opcode = 0x05, .extras = u64(0x0102030405060708) + u64(~0ULL) + u32(60), .key = "k"}.bytes();
  REQUIRE(std::holds_alternative<Parsed>(parse_binary(incr, {}, request)));
  CHECK(request.delta == 0x0102030405060708);
  CHECK(request.initial == ~0ULL);
  CHECK(request.exptime == 60);

  const std::string not_created = Packet{.opcode = 0x05, .extras = kNoCreate, .key = "k"}.bytes();
  REQUIRE(std::holds_alternative<Parsed>(parse_binary(not_created, {}, request)));
  CHECK(request.exptime == -1);

  const std::string set =
      Packet{.opcode = 0x01, .extras = u32(0xfffefdfc) + u32(0x01020304), .key = "k", .cas = 77}.bytes();
  REQUIRE(std::holds_alternative<Parsed>(parse_binary(set, {}, request)));
  CHECK(request.flags == 0xfffefdfc);
  CHECK(request.exptime == 0x01020304);
  CHECK(request.cas == 77);
  CHECK(request.delta == 0);  // nothing is left of the request before
  CHECK(request.keys == std::vector<std::string_view>{"k"});
}

TEST_CASE("the words of a binary Stat are those of its key, as in text") {
  Request request;
  REQUIRE(std::holds_alternative<Parsed>(parse_binary(Packet{.opcode = 0x10}.bytes(), {}, request)));
  CHECK(request.words.empty());
  const std::string detail = Packet{.opcode = 0x10, .key = "detail off"}.bytes();
  REQUIRE(std::holds_alternative<Parsed>(parse_binary(detail, {}, request)));
  CHECK(request.words == std::vector<std::string_view>{"detail", "off"});
  CHECK(request.keys.empty());
}

TEST_CASE("binary session requests are recognised") {
  // clang-format off
  struct {
    Packet sent;
    Command command;
    bool quiet;
    std::vector<std::string_view> keys;
    std::string_view value;
  } const rows[] = {
      {{.opcode = 0x07}, Command::Quit, false, {}, ""},
      {{.opcode = 0x17}, Command::Quit, true, {}, ""},
      {{.opcode = 0x0a}, Command::Noop, false, {}, ""},
      {{.opcode = 0x0b}, Command::Version, false, {}, ""},
      {{.opcode = 0x20}, Command::SaslList, false, {}, ""},
      {{.opcode = 0x21, .key = "PLAIN", .value = "\0a\0b"s}, Command::SaslAuth, false, {"PLAIN"}, "\0a\0b"sv},
      {{.opcode = 0x21, .key = "SCRAM-SHA-256"}, Command::SaslAuth, false, {"SCRAM-SHA-256"}, ""},
      {{.opcode = 0x21, .key = "no \r\n key"}, Command::SaslAuth, false, {"no \r\n key"}, ""},
      {{.opcode = 0x21, .key = std::string(32, 'm')},
       Command::SaslAuth, false, {"mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"}, ""},
      {{.opcode = 0x22, .key = "PLAIN", .value = "step"}, Command::SaslStep, false, {"PLAIN"}, "step"},
      {{.opcode = 0x22, .value = "step"}, Command::SaslStep, false, {}, "step"},
      {{.opcode = 0x22}, Command::SaslStep, false, {}, ""},
  };
  // clang-format on
  for (const auto& row : rows) {
    const std::string bytes = row.sent.bytes();
    CAPTURE(bytes);
    Request request;
    const ParseResult result = at_every_split(bytes, {}, request);
    REQUIRE(std::holds_alternative<Parsed>(result));
    CHECK(std::get<Parsed>(result).consumed == bytes.size());
    CHECK(request.caller.command == row.command);
    CHECK(request.caller.quiet == row.quiet);
    CHECK(request.keys == row.keys);
    CHECK(request.value == row.value);
  }
}

TEST_CASE("requests that follow one another are told apart") {
  const std::string first = Packet{.opcode = 0x11, .extras = kSetExtras, .key = "a", .value = "v"}.bytes();
  const std::string second = Packet{.opcode = 0x0a}.bytes();
  Request request;
  const ParseResult result = parse_binary(first + second, {}, request);
  REQUIRE(std::holds_alternative<Parsed>(result));
  CHECK(std::get<Parsed>(result).consumed == first.size());
}
