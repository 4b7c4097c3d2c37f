// Replies of the classic text protocol: one line, or VALUE blocks until END.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "protocol/number.hpp"
#include "protocol/reply_line.hpp"

namespace mcgate::protocol {
namespace {

using enum Command;

constexpr std::string_view kEnd = "END\r\n";

constexpr CommandSet kNumbers = CommandSet{Incr} | Decr;
constexpr CommandSet kSettings = CommandSet{FlushAll} | Verbosity | CacheMemlimit | Slabs | Lru | LruCrawler |
                                 Extstore | Shutdown | RefreshCerts;

struct AnswerRow {
  std::string_view text;
  CommandSet commands;  // that it may be the answer to
};

// clang-format off: a table
constexpr std::array kAnswers = std::to_array<AnswerRow>({
    {"STORED",     CommandSet{Set} | Add | Replace | Append | Prepend | Cas},
    {"NOT_STORED", CommandSet{Add} | Replace | Append | Prepend},
    {"EXISTS",     Cas},
    {"DELETED",    Delete},
    {"TOUCHED",    Touch},
    {"NOT_FOUND",  CommandSet{Cas} | Incr | Decr | Touch | Delete},
    {"OK",         kSettings},
    {"ERROR",      kSettings},
});
// clang-format on

// How else the answer to an admin command may begin: what hinders it is said in many words.
constexpr std::array<std::string_view, 12> kHindrances{
    "MEMLIMIT_", "BUSY ",       "BADCLASS ", "NOSPARE ", "NOTFULL ", "UNSAFE ",
    "SAME ",     "NOTSTARTED ", "ERROR ",    "ERROR: ",  "Error ",   "NOT_SUPPORTED ",
};

bool hindrance(std::string_view text) {
  // Said unasked by a memcached whose connections are all taken, before it closes this one.
  if (text.starts_with("ERROR Too many open connections")) return false;
  return printable(text) &&
         std::ranges::any_of(kHindrances, [&](std::string_view start) { return text.starts_with(start); });
}

bool may_answer(Command command, std::string_view text) {
  const auto* const known = std::ranges::find(kAnswers, text, &AnswerRow::text);
  if (known != kAnswers.end()) return known->commands.contains(command);
  if (kNumbers.contains(command) && parse_number<std::uint64_t>(text)) return true;
  if (kSettings.contains(command) && hindrance(text)) return true;
  return may_fail_with(command, text);
}

struct ValueLine {
  std::string_view key;
  std::uint32_t bytes = 0;
};

bool take_space(std::string_view& text) {
  if (!text.starts_with(' ')) return false;
  text.remove_prefix(1);
  return true;
}

constexpr std::string_view kValue = "VALUE ";

// VALUE <key> <flags> <bytes>[ <cas>], the last with gets and gats and only there. There may be many.
std::optional<ValueLine> parse_value_line(std::string_view text, bool with_cas) {
  if (!text.starts_with(kValue)) return std::nullopt;
  text.remove_prefix(kValue.size());
  const std::string_view key = text.substr(0, text.find(' '));
  text.remove_prefix(key.size());
  if (key.empty() || !take_space(text) || !take_number<std::uint32_t>(text) || !take_space(text))
    return std::nullopt;
  const auto bytes = take_number<std::uint32_t>(text);
  if (!bytes || *bytes > kMaxReplyValue) return std::nullopt;
  if (with_cas && (!take_space(text) || !take_number<std::uint64_t>(text))) return std::nullopt;
  return text.empty() ? std::optional{ValueLine{key, *bytes}} : std::nullopt;
}

// A VALUE block as the client is to see it: its key without the namespace.
void append_block(std::string_view block, const Expected& expected, std::string& out) {
  if (expected.namespace_bytes != 0) {
    out += kValue;
    block.remove_prefix(kValue.size() + expected.namespace_bytes);
  }
  out += block;
}

// Where in the list of keys the one after `key` begins, if `key` is at or after the cursor.
std::optional<std::size_t> cursor_past(std::string_view key, const Expected& expected) {
  const std::string_view keys = expected.keys;
  std::size_t cursor = expected.next_key;
  // Nearly always it is the next.
  if (const std::string_view rest = keys.substr(cursor); rest.starts_with(key)) {
    if (rest.size() == key.size()) return keys.size();
    if (rest[key.size()] == ' ') return cursor + key.size() + 1;
  }
  while (cursor < keys.size()) {
    std::string_view rest = keys.substr(cursor);
    const std::string_view next = take_word(rest);
    cursor = keys.size() - rest.size();
    if (next == key) return cursor;
  }
  return std::nullopt;
}

}  // namespace

ReplyResult read_line_reply(std::string_view input, const Expected& expected, std::string& out) {
  const auto line = first_line(input, LineEnd::CrLf);
  if (!line) return line.error();
  if (!may_answer(expected.caller.command, line->text)) return ReplyPoisoned{"not an answer to this command"};
  if (!expected.caller.quiet) out += line->bytes;
  return ReplyEnd{line->bytes.size()};
}

ReplyResult read_values_reply(std::string_view input, Expected& expected, std::string& out) {
  const auto line = first_line(input, LineEnd::CrLf);
  if (!line) return line.error();
  if (line->text == "END") {
    if (!expected.window_goes_on) out += line->bytes;
    return ReplyEnd{expected.line_goes_on ? 0 : line->bytes.size()};
  }
  // Every error among them: our keys are valid, and an error inside a get has dropped replies before it.
  const bool with_cas = (CommandSet{Gets} | Gats).contains(expected.caller.command);
  const auto value = parse_value_line(line->text, with_cas);
  if (!value) return ReplyPoisoned{"neither a VALUE as asked nor END"};
  const auto cursor = cursor_past(value->key, expected);
  if (!cursor && expected.line_goes_on) {
    out += kEnd;
    return ReplyEnd{0};
  }
  if (!cursor) return ReplyPoisoned{"VALUE of a key that was not asked for, or not there"};

  const std::size_t total = line->bytes.size() + value->bytes + 2;
  if (input.size() < total) return ReplyNeedsMore{total};
  if (input.substr(total - 2, 2) != "\r\n") return ReplyPoisoned{"value without CRLF"};
  // With the END that may follow: making room for that later would copy a large value once more.
  out.reserve(out.size() + total + kEnd.size());
  append_block(input.substr(0, total), expected, out);
  if (expected.line_goes_on && *cursor == expected.keys.size()) {
    out += kEnd;
    return ReplyEnd{total};
  }
  expected.next_key = *cursor;
  expected.began = true;
  return ReplyPart{total};
}

}  // namespace mcgate::protocol
