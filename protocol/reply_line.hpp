// Lines of memcached's replies, and the error lines that may stand for a reply. Internal to protocol/: what
// the readers of text and meta replies have in common. Pure, used from any thread.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "protocol/reply.hpp"

namespace mcgate::protocol {

struct ReplyLine {
  std::string_view text;   // without its end
  std::string_view bytes;  // with it
};

// How memcached ends the lines of a reply: all but the log lines and dumps of its streams end in CRLF.
enum class LineEnd : std::uint8_t { CrLf, LfOrCrLf };

// The first line of `input`, or what there is to say if there is none yet or can be none.
std::expected<ReplyLine, ReplyResult> first_line(std::string_view input, LineEnd end);

// Takes the first word off `rest`, up to a space or the end, and the space with it. Most words here are so
// short that a search for the space would take longer than this.
inline std::string_view take_word(std::string_view& rest) {
  std::size_t end = 0;
  while (end < rest.size() && rest[end] != ' ') ++end;
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end == rest.size() ? end : end + 1);
  return word;
}

// Printable ASCII and nothing else.
bool printable(std::string_view text);
// No byte that could end or begin a line, or drive a terminal: bytes of other alphabets pass.
bool free_of_controls(std::string_view text);

// Whether `text` is a CLIENT_ERROR or SERVER_ERROR line that a request in canonical form to `command` may
// be answered with. What memcached only says to a malformed request is not: it means that memcached and we
// disagree about where a request begins.
bool may_fail_with(Command command, std::string_view text);

// Counts one more statistic of the reply, of that many bytes; false, and not counted, if they are too many.
bool count_statistic(Expected& expected, std::size_t bytes);
inline constexpr ReplyPoisoned kEndlessStatistics{"endless statistics"};

// Notes the keys that a reply may name, joined by single spaces.
void note_keys(const Request& request, std::string& keys);
// What expect() notes of a meta request.
void expect_meta(const Request& request, Expected& expected);

// The readers, by the shape of the reply. All have the contract of read_reply().
ReplyResult read_line_reply(std::string_view input, const Expected& expected, std::string& out);
ReplyResult read_values_reply(std::string_view input, Expected& expected, std::string& out);
ReplyResult read_stats_reply(std::string_view input, Expected& expected, std::string& out);
ReplyResult read_stream_reply(std::string_view input, Expected& expected, std::string& out);
ReplyResult read_meta_reply(std::string_view input, const Expected& expected, std::string& out);
ReplyResult read_debug_reply(std::string_view input, const Expected& expected, std::string& out);
ReplyResult read_binary_reply(std::string_view input, Expected& expected, std::string& out);

}  // namespace mcgate::protocol
