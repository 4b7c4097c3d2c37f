// Any bytes as a text or meta request: no split of them changes what comes of them, what goes upstream is
// one request of one line and one value, and it reads as the request that was authorised.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "tests/unit/protocol/outcome.hpp"

using namespace mcgate::protocol;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

constexpr std::size_t kSplits = 200;  // tried in each input, to keep long ones quick

void check_splits(std::string_view input, const ParseLimits& limits, const Outcome& whole) {
  for (std::size_t size = 0; size < std::min(input.size(), kSplits); ++size) {
    const Outcome part = parse(input.substr(0, size), limits);
    if (part.more == 0) {
      require(part == whole);
    } else {
      require(part.more > size);
      require(whole.more != 0 || part.more <= whole.consumed);
    }
  }
  if (whole.more == 0) require(parse(input.substr(0, whole.consumed), limits) == whole);
}

void check_broken(const Outcome& outcome, const ParseLimits& limits) {
  require(outcome.swallow <= limits.swallow_bytes);
  require(outcome.reply.empty() || outcome.reply.find("\r\n") == outcome.reply.size() - 2);
}

bool plain(std::string_view line) {
  return std::ranges::all_of(line,
                             [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != '\x7f'; });
}

void check_canonical(const Outcome& outcome) {
  const std::string_view canonical = outcome.canonical;
  const std::size_t line = canonical.find("\r\n");
  require(line != canonical.npos && plain(canonical.substr(0, line)));
  const std::string_view after = canonical.substr(line + 2);
  const bool is_get = outcome.command == Command::Get || outcome.command == Command::Gets;
  require(is_get || line + 2 <= 1024);
  require(after == (row(outcome.command).has_value ? outcome.value + "\r\n" : ""));

  // The opaque that we add and the CRs that clients leave out make it longer than what the client sent.
  const ParseLimits roomy{.line_bytes = 4096};
  Outcome again = parse(canonical, roomy);
  require(!again.quiet && again.consumed == canonical.size());
  again.quiet = outcome.quiet;
  again.consumed = outcome.consumed;
  require(again == outcome);
}

void check(std::string_view input, const ParseLimits& limits) {
  const Outcome outcome = parse(input, limits);
  if (outcome.more != 0) {
    require(outcome.more > input.size());
    require(outcome.more <= std::max(limits.line_bytes, limits.get_line_bytes) + limits.value_bytes + 2);
  } else {
    require(outcome.consumed > 0 && outcome.consumed <= input.size());
    if (outcome.broken) {
      check_broken(outcome, limits);
    } else {
      require(outcome.needs.contains(outcome.command));
      require(outcome.keys.size() <= limits.keys && outcome.value.size() <= limits.value_bytes);
      check_canonical(outcome);
    }
  }
  check_splits(input, limits, outcome);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  check(input, {});
  check(input, {.line_bytes = 64, .get_line_bytes = 96, .keys = 4, .value_bytes = 16, .swallow_bytes = 40});
  return 0;
}
