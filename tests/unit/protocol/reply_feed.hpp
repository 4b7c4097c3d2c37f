// How the tests of replies feed them to read_reply(): whole, at every split and byte by byte, which must all
// come to the same. A call of feed() is one upstream link with one request in flight.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/reply.hpp"

namespace mcgate::protocol {

enum class Came : std::uint8_t { ToEnd, ToPoison, ToWaiting };

inline std::ostream& operator<<(std::ostream& out, Came came) {
  switch (came) {
    case Came::ToEnd:
      return out << "to an end";
    case Came::ToPoison:
      return out << "to poison";
    case Came::ToWaiting:
      return out << "to waiting";
  }
  return out;
}

struct Fed {
  Came came = Came::ToWaiting;
  std::string out;           // what the client got
  std::size_t consumed = 0;  // of the input
  std::size_t parts = 0;
  friend bool operator==(const Fed&, const Fed&) = default;
};

// Feeds the input as it would arrive if it were cut at each of `ends`.
inline Fed feed_chunks(std::string_view input, Expected expected, const std::vector<std::size_t>& ends) {
  Fed fed;
  for (const std::size_t end : ends) {
    while (true) {
      const std::string_view here = input.substr(fed.consumed, end - fed.consumed);
      const std::size_t before = fed.out.size();
      const std::size_t cursor = expected.next_key;
      const ReplyResult result = read_reply(here, expected, fed.out);
      if (const auto* more = std::get_if<ReplyNeedsMore>(&result)) {
        CHECK(more->total > here.size());
        CHECK(fed.out.size() == before);
        CHECK(expected.next_key == cursor);
        break;
      }
      if (const auto* poisoned = std::get_if<ReplyPoisoned>(&result)) {
        CHECK(fed.out.size() == before);
        CHECK_FALSE(poisoned->reason.empty());
        fed.came = Came::ToPoison;
        return fed;
      }
      const auto* part = std::get_if<ReplyPart>(&result);
      const std::size_t consumed = part != nullptr ? part->consumed : std::get<ReplyEnd>(result).consumed;
      CHECK(consumed > 0);
      REQUIRE(consumed <= here.size());
      fed.consumed += consumed;
      if (part == nullptr) {
        fed.came = Came::ToEnd;
        return fed;
      }
      ++fed.parts;
    }
  }
  return fed;
}

inline Fed feed(std::string_view input, const Expected& expected) {
  const Fed whole = feed_chunks(input, expected, {input.size()});
  std::vector<std::size_t> bytewise;
  for (std::size_t split = 0; split <= input.size(); ++split) {
    bytewise.push_back(split);
    CAPTURE(split);
    CHECK(feed_chunks(input, expected, {split, input.size()}) == whole);
  }
  CHECK(feed_chunks(input, expected, bytewise) == whole);
  return whole;
}

// As expect() would fill it, were the request at hand.
inline Expected expecting(Command command, Dialect dialect, std::string_view keys) {
  Expected expected;
  expected.caller.command = command;
  expected.caller.dialect = dialect;
  expected.backend = {1, 6, 18};
  expected.keys = keys;
  return expected;
}

}  // namespace mcgate::protocol
