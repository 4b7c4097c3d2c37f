// Every place where a request may give a time to live, and what a bound makes of it.
#include "protocol/ttl.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>

#include "tests/unit/protocol/binary_packet.hpp"

namespace mcgate::protocol {
namespace {

constexpr std::int64_t kNow = 1'700'000'000;
constexpr std::int32_t kHour = 3600;
constexpr std::int32_t kYear = 365 * 24 * kHour;

void parse(std::string_view input, Request& request) {
  const bool binary = input.front() == kBinaryMagic;
  const ParseResult result = binary ? parse_binary(input, {}, request) : parse_text(input, {}, request);
  REQUIRE(std::holds_alternative<Parsed>(result));
}

// The request as it goes up when bounded so, with the sequence number 7; nothing if it is refused.
std::optional<std::string> kept(std::string_view input, TtlBound bound) {
  Request request;
  parse(input, request);
  if (!keep_ttl(request, bound, kNow)) return std::nullopt;
  std::string out;
  compose(request, 7, out);
  return out;
}

std::string unbounded(std::string_view input) {
  Request request;
  parse(input, request);
  std::string out;
  compose(request, 7, out);
  return out;
}

struct Row {
  std::string_view sent;
  std::string_view capped;  // to an hour, as it goes up; empty: as it is
};

void check(const Row& row) {
  CAPTURE(row.sent);
  const std::string as_it_is = unbounded(row.sent);
  const bool fits = row.capped.empty();
  CHECK(kept(row.sent, {.seconds = kHour, .cap = true}) == (fits ? as_it_is : std::string{row.capped}));
  CHECK(kept(row.sent, {.seconds = kHour, .cap = false}) == (fits ? std::optional{as_it_is} : std::nullopt));
}

TEST_CASE("ttl: what text gives") {
  const Row rows[] = {
      {"set k 1 0 1\r\nx\r\n", "set k 1 3600 1\r\nx\r\n"},  // never
      {"set k 1 3600 1\r\nx\r\n", {}},
      {"set k 1 3601 1\r\nx\r\n", "set k 1 3600 1\r\nx\r\n"},
      {"set k 1 -1 1\r\nx\r\n", {}},          // gone at once
      {"set k 1 1700003600 1\r\nx\r\n", {}},  // a date within the hour
      {"set k 1 1700003601 1\r\nx\r\n", "set k 1 3600 1\r\nx\r\n"},
      {"set k 1 1600000000 1\r\nx\r\n", {}},  // long past
      {"set k 1 2592000 1\r\nx\r\n", "set k 1 3600 1\r\nx\r\n"},
      {"set k 1 2592001 1\r\nx\r\n", {}},  // a date of 1970
      {"add k 1 0 1\r\nx\r\n", "add k 1 3600 1\r\nx\r\n"},
      {"replace k 1 0 1\r\nx\r\n", "replace k 1 3600 1\r\nx\r\n"},
      {"cas k 1 0 1 9\r\nx\r\n", "cas k 1 3600 1 9\r\nx\r\n"},
      {"append k 1 0 1\r\nx\r\n", {}},  // not heeded: the item's own stays
      {"prepend k 1 0 1\r\nx\r\n", {}},
      {"touch k 0\r\n", "touch k 3600\r\n"},
      {"touch k 60\r\n", {}},
      {"gat 0 a b\r\n", "gat 3600 a b\r\n"},
      {"gats 4000 a\r\n", "gats 3600 a\r\n"},
      {"incr k 1\r\n", {}},
      {"decr k 1\r\n", {}},
      {"get k\r\n", {}},
      {"delete k\r\n", {}},
  };
  for (const Row& row : rows) check(row);
}

TEST_CASE("ttl: what meta gives, by a flag or for want of one") {
  const Row rows[] = {
      {"ms k 1\r\nx\r\n", "ms k 1 T3600 O7\r\nx\r\n"},  // without T it never expires
      {"ms k 1 T0 c\r\nx\r\n", "ms k 1 T3600 c O7\r\nx\r\n"},
      {"ms k 1 T60\r\nx\r\n", {}},
      {"ms k 1 T-1\r\nx\r\n", {}},
      {"ms k 1 T1700003601\r\nx\r\n", "ms k 1 T3600 O7\r\nx\r\n"},
      {"ms k 1 ME\r\nx\r\n", "ms k 1 ME T3600 O7\r\nx\r\n"},
      {"ms k 1 MR I\r\nx\r\n", "ms k 1 MR I T3600 O7\r\nx\r\n"},
      {"ms k 1 MA\r\nx\r\n", {}},  // the item's own stays
      {"ms k 1 MP\r\nx\r\n", {}},
      {"ms k 1 MA N0\r\nx\r\n", "ms k 1 MA N3600 O7\r\nx\r\n"},  // but where it creates
      {"ms k 1 MA N60 T0\r\nx\r\n", "ms k 1 MA N60 T3600 O7\r\nx\r\n"},
      {"mg k v\r\n", {}},
      {"mg k v T0\r\n", "mg k v T3600 O7\r\n"},
      {"mg k v N0 R30\r\n", "mg k v N3600 R30 O7\r\n"},
      {"mg k N4000 T4000\r\n", "mg k N3600 T3600 O7\r\n"},
      {"mg k v R4000\r\n", {}},  // a threshold, and no time to live
      {"md k\r\n", {}},
      {"md k I T0\r\n", "md k I T3600 O7\r\n"},
      {"md k x\r\n", "md k x T3600 O7\r\n"},  // the empty item left would never expire
      {"md k x I T60\r\n", {}},
      {"ma k\r\n", {}},
      {"ma k N0 J5\r\n", "ma k N3600 J5 O7\r\n"},
      {"ma k T4000\r\n", "ma k T3600 O7\r\n"},
  };
  for (const Row& row : rows) check(row);
}

std::string packet(unsigned opcode, std::string extras, std::string value = {}, std::uint32_t opaque = 3) {
  return test::Packet{
      .opcode = opcode, .extras = std::move(extras), .key = "k", .value = std::move(value), .opaque = opaque}
      .bytes();
}

TEST_CASE("ttl: what binary gives") {
  using test::u32;
  using test::u64;
  const std::string hour = u32(kHour);
  for (const unsigned quiet : {0x00U, 0x10U}) {
    for (const unsigned store : {0x01U, 0x02U, 0x03U}) {
      CAPTURE(store + quiet);
      for (const std::uint32_t exptime : {0U, 3601U, 1'700'003'601U, 0x80000000U, 0xffffffffU})
        check({packet(store + quiet, u32(1) + u32(exptime), "x"), packet(store, u32(1) + hour, "x", 7)});
      for (const std::uint32_t exptime : {1U, 3600U, 1'700'003'600U})
        check({packet(store + quiet, u32(1) + u32(exptime), "x"), {}});
    }
    for (const unsigned count : {0x05U, 0x06U}) {
      CAPTURE(count + quiet);
      check({packet(count + quiet, u64(1) + u64(5) + u32(0)), packet(count, u64(1) + u64(5) + hour, {}, 7)});
      check({packet(count + quiet, u64(1) + u64(5) + u32(0xfffffffe)),
             packet(count, u64(1) + u64(5) + hour, {}, 7)});
      check({packet(count + quiet, u64(1) + u64(5) + u32(0xffffffff)), {}});  // creates nothing
    }
  }
  check({packet(0x1c, u32(0)), packet(0x1c, hour, {}, 7)});
  for (const unsigned gat : {0x1dU, 0x1eU}) check({packet(gat, u32(0)), packet(0x1d, hour, {}, 7)});
  for (const unsigned gat : {0x23U, 0x24U}) check({packet(gat, u32(0)), packet(0x23, hour, {}, 7)});
  check({packet(0x0e, {}, "x"), {}});
  check({packet(0x00, {}), {}});
}

TEST_CASE("ttl: a bound beyond 30 days is said as a date, as far as dates go") {
  const TtlBound year{.seconds = kYear, .cap = true};
  CHECK(kept("touch k 0\r\n", year) == "touch k 1731536000\r\n");
  CHECK(kept("touch k 1731536000\r\n", year) == "touch k 1731536000\r\n");
  CHECK(kept("touch k 1731536001\r\n", year) == "touch k 1731536000\r\n");
  CHECK(kept("touch k 2592000\r\n", year) == "touch k 2592000\r\n");
  CHECK(kept("mg k T0 N0\r\n", year) == "mg k T1731536000 N1731536000 O7\r\n");
  const TtlBound most{.seconds = 2'147'483'647, .cap = true};
  CHECK(kept("touch k 0\r\n", most) == "touch k 2147483647\r\n");
  CHECK(kept("touch k 2147483647\r\n", most) == "touch k 2147483647\r\n");
}

TEST_CASE("ttl: no capped gat line becomes longer than memcached reads") {
  constexpr std::size_t kLongest = 1024;
  for (std::size_t last = 1; last <= 250; ++last) {
    std::string line = "gat 0";
    for (const std::size_t key : {std::size_t{250}, std::size_t{250}, std::size_t{250}, last})
      line += " " + std::string(key, 'k');
    line += " k k\r\n";
    Request request;
    if (!std::holds_alternative<Parsed>(parse_text(line, {}, request))) continue;
    CAPTURE(last);
    CHECK(kept(line, {.seconds = kYear, .cap = true}).value_or("").size() <= kLongest);
  }
}

}  // namespace
}  // namespace mcgate::protocol
