// How the tests of text and meta requests parse: an outcome that owns its bytes and can be compared, from a
// buffer of exactly the input's size, and the check that no split of the input changes it.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/request.hpp"

namespace mcgate::protocol {

struct Outcome {
  std::size_t more = 0;  // NeedMore's total
  std::size_t consumed = 0;
  std::size_t swallow = 0;
  std::string reply;
  bool broken = false;
  bool close = false;
  std::string canonical;  // what would go upstream, with 7 for the sequence
  Command command = Command::Noop;
  Dialect dialect = Dialect::Text;
  bool quiet = false;
  CommandSet needs;
  std::vector<std::string> keys;
  std::string value;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

inline Outcome parse(std::string_view input, const ParseLimits& limits = {}) {
  const std::vector<char> exact{input.begin(), input.end()};
  Request request;
  const ParseResult result = parse_text({exact.data(), exact.size()}, limits, request);
  Outcome outcome;
  if (const auto* more = std::get_if<NeedMore>(&result)) {
    outcome.more = more->total;
    return outcome;
  }
  outcome.command = request.caller.command;
  outcome.dialect = request.caller.dialect;
  outcome.quiet = request.caller.quiet;
  if (const auto* broken = std::get_if<Broken>(&result)) {
    outcome.broken = true;
    outcome.consumed = broken->consumed;
    outcome.swallow = broken->swallow;
    outcome.reply = broken->reply;
    outcome.close = broken->close;
    return outcome;
  }
  outcome.consumed = std::get<Parsed>(result).consumed;
  outcome.needs = request.needs;
  outcome.keys.assign(request.keys.begin(), request.keys.end());
  outcome.value = request.value;
  compose(request, 7, outcome.canonical);
  return outcome;
}

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
