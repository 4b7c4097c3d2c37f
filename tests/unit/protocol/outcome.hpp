// What came of parsing one text or meta request, as tests and fuzzing compare it: it owns its bytes.
#pragma once

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

// Parses from a buffer of exactly the input's size, so that a sanitizer sees a read beyond it.
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

}  // namespace mcgate::protocol
