#include "protocol/ttl.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string_view>

#include "protocol/number.hpp"

namespace mcgate::protocol {
namespace {

using enum Command;

// memcached takes an exptime beyond this for a date.
constexpr std::int32_t kLongestSpan = 60 * 60 * 24 * 30;

// The commands whose exptime is the item's. That of append and prepend is read and not heeded; incr and decr
// have one in binary alone, for the item that they may create.
constexpr CommandSet kText = CommandSet{Set} | Add | Replace | Cas | Touch | Gat | Gats;
constexpr CommandSet kBinary = kText | Incr | Decr;

bool too_long(std::int32_t exptime, std::int32_t most, std::int64_t now) {
  if (exptime < 0) return false;
  if (exptime == 0) return true;
  return (exptime > kLongestSpan ? exptime - now : std::int64_t{exptime}) > most;
}

std::int32_t longest(std::int32_t most, std::int64_t now) {
  if (most <= kLongestSpan) return most;
  return static_cast<std::int32_t>(
      std::min<std::int64_t>(now + most, std::numeric_limits<std::int32_t>::max()));
}

// An item's new flag T, or N of one that the request creates.
bool gives_ttl(const MetaFlag& flag) {
  return flag.letter == 'T' || flag.letter == 'N';
}

// Whether the item is as new and lives for ever unless T says otherwise: an ms that does not add to
// another's, an md that leaves an empty item.
bool needs_ttl(const Request& request) {
  if (request.meta_letters.contains('T')) return false;
  if (request.caller.command == MetaDelete) return request.meta_letters.contains('x');
  if (request.caller.command != MetaSet) return false;
  const auto mode = std::ranges::find(request.meta_flags, 'M', &MetaFlag::letter);
  return mode == request.meta_flags.end() || (mode->argument != "A" && mode->argument != "P");
}

bool keep_meta_ttl(Request& request, TtlBound bound, std::int64_t now) {
  const auto longer = [&](const MetaFlag& flag) {
    const auto exptime = gives_ttl(flag) ? parse_number<std::int32_t>(flag.argument) : -1;
    return !exptime || too_long(*exptime, bound.seconds, now);
  };
  const bool missing = needs_ttl(request);
  const bool fits = !missing && std::ranges::none_of(request.meta_flags, longer);
  if (fits || !bound.cap) return fits;
  auto& digits = request.capped_ttl;
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), longest(bound.seconds, now)).ptr;
  const std::string_view text{digits.data(), end};
  for (MetaFlag& flag : request.meta_flags) {
    if (longer(flag)) flag.argument = text;
  }
  if (missing) {
    request.meta_flags.push_back({'T', text});
    request.meta_letters.add('T');
  }
  return true;
}

}  // namespace

bool keep_ttl(Request& request, TtlBound bound, std::int64_t now) {
  if (request.caller.dialect == Dialect::Meta) return keep_meta_ttl(request, bound, now);
  const bool binary = request.caller.dialect == Dialect::Binary;
  const bool gives = (binary ? kBinary : kText).contains(request.caller.command);
  if (!gives || !too_long(request.exptime, bound.seconds, now)) return true;
  if (!bound.cap) return false;
  request.exptime = longest(bound.seconds, now);
  return true;
}

}  // namespace mcgate::protocol
