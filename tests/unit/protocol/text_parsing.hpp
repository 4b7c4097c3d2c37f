// The check that no split of a text or meta request changes what comes of it.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "outcome.hpp"

namespace mcgate::protocol {

// Parses the whole, and every beginning of it: each asks for more until one has the outcome, which what
// comes behind it doesn't change.
inline Outcome parse_at_every_split(std::string_view input, const ParseLimits& limits = {}) {
  const Outcome whole = parse(input, limits);
  REQUIRE(whole.more == 0);
  bool done = false;
  for (std::size_t size = 0; size <= input.size(); ++size) {
    CAPTURE(size);
    const Outcome part = parse(input.substr(0, size), limits);
    if (part.more == 0) {
      CHECK(part == whole);
      CHECK(part.consumed <= size);
      done = true;
    } else {
      CHECK_FALSE(done);
      CHECK(part.more > size);
      CHECK(part.more <= whole.consumed);
    }
  }
  CHECK(done);
  CHECK(parse(std::string{input} + "get next\r\n", limits) == whole);
  return whole;
}

}  // namespace mcgate::protocol
