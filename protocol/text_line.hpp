// What the parsers of text and meta requests share: one line, its tokens, and the ways to refuse it.
//
// Internal to protocol/ (parse_text() of request.hpp is the way in). A TextLine lives on the stack of one
// call of parse_text(); its views look into the input.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/number.hpp"
#include "protocol/request.hpp"

namespace mcgate::protocol {

// The most tokens of a meta line (memcached 1.6.18), more than any other line but get's has.
inline constexpr std::size_t kMaxTokens = 19;

// The longest line that goes upstream, get and gets excepted: versions up to 1.6.13 may close beyond it.
inline constexpr std::size_t kMaxForwardedLine = 1024;

inline constexpr std::string_view kNoreply = "noreply";

inline constexpr std::string_view kError = "ERROR";
inline constexpr std::string_view kBadFormat = "CLIENT_ERROR bad command line format";
inline constexpr std::string_view kBadExptime = "CLIENT_ERROR invalid exptime argument";
inline constexpr std::string_view kLineTooLong = "CLIENT_ERROR line too long";

struct TextLine {
  std::string_view input;  // from the line's first byte on: its end and what follows included
  std::string_view text;   // the line without its end
  std::size_t bytes;       // the line with its end
  const ParseLimits& limits;
  Request& request;

  // Its first tokens; `count` of them, and whether there are more. Filled by split().
  std::array<std::string_view, kMaxTokens> token{};
  std::size_t count = 0;
  bool more = false;
};

// Takes the first token off `rest`: what stands between spaces, and only spaces. Empty at the end.
std::string_view next_token(std::string_view& rest);

void split(TextLine& line);

// The line is answered with `reply`, silently where it said noreply (meta errors are always told), and
// nothing follows it.
Broken refuse(const TextLine& line, std::string_view reply);

// The same for a line whose data block of `length` bytes follows and is read past.
Broken refuse_with_value(const TextLine& line, std::uint64_t length, std::string_view reply);

// The line announces a data block, but it can't be told how long: what follows may be data or commands.
Broken refuse_and_close(const TextLine& line, std::string_view reply);

// Refuses a line whose token at `place` says the length, if it does.
Broken refuse_storage(const TextLine& line, std::size_t place, std::string_view reply);

// A token after the place of the length that looks like a number may be the true length: the key may have
// had a space in it.
bool may_be_length(std::string_view token);

// Takes the data block of a line that is in order.
ParseResult take_value(const TextLine& line, std::uint64_t length);

// The number that `text` says, as a part of it that has no needless zeros; nothing if it isn't one of
// type T.
template <std::integral T>
std::optional<std::string_view> canonical_number(std::string_view text) {
  if (!parse_number<T>(text)) return std::nullopt;
  if (text.front() == '-') {
    if (text[1] == '0') return std::nullopt;
    return text;
  }
  while (text.size() > 1 && text.front() == '0') text.remove_prefix(1);
  return text;
}

// A command by its line's first token, and the parser of such lines.
struct TextRow {
  std::string_view name;
  Command command;
  ParseResult (*parse)(TextLine& line);
};
// A meta command; null if that is the name of none.
const TextRow* find_meta(std::string_view name);

// Classic admin commands and stats. Nothing if the line's first token is none of theirs.
std::optional<ParseResult> parse_admin(TextLine& line);

}  // namespace mcgate::protocol
