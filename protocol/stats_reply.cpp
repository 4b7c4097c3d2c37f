// Replies of the text protocol that go on for any number of lines: statistics, dumps and logs.
#include <algorithm>
#include <array>

#include "protocol/number.hpp"
#include "protocol/reply_line.hpp"

namespace mcgate::protocol {
namespace {

using enum Command;

// ITEM <key> [<bytes> b; <seconds> s]: the key as it is, though it may come from the binary protocol and hold
// anything; so the line is read from its end.
bool item_line(std::string_view text) {
  if (!text.starts_with("ITEM ")) return false;
  text.remove_prefix(5);
  if (!text.ends_with(" s]")) return false;
  text.remove_suffix(3);
  const std::size_t bracket = text.rfind(" [");
  if (bracket == std::string_view::npos || bracket == 0) return false;
  std::string_view numbers = text.substr(bracket + 2);
  return parse_number<std::uint64_t>(take_word(numbers)) && take_word(numbers) == "b;" &&
         parse_number<std::int64_t>(numbers);
}

// One of many lines of that command's statistics.
bool stat_line(Command command, std::string_view text) {
  if (text.starts_with("STAT ")) return text.size() > 5 && free_of_controls(text);
  if (command == StatsCachedump) return item_line(text);
  return command == StatsDetail && text.starts_with("PREFIX ") && free_of_controls(text);
}

// A line that is the whole reply.
bool only_line(Command command, std::string_view text) {
  if (text == "RESET") return command == StatsReset;
  if (text == "OK") return command == StatsDetail;
  return text == "ERROR" || may_fail_with(command, text);
}

// How memcached refuses to begin a dump or a log.
constexpr std::array<std::string_view, 7> kRefusals{
    "BUSY ", "ERROR", "CLIENT_ERROR ", "SERVER_ERROR ", "NOTSTARTED ", "BADCLASS ", "WATCHER_",
};

bool refusal(std::string_view text) {
  return printable(text) && !text.starts_with("ERROR Too many open connections") &&
         std::ranges::any_of(kRefusals, [&](std::string_view start) { return text.starts_with(start); });
}

// Dumped keys are encoded, so that a line holds no control byte and is what it seems.
bool dump_line(std::string_view text) {
  return (text.starts_with("key=") || text.starts_with("mg ")) && free_of_controls(text);
}

}  // namespace

ReplyResult read_stats_reply(std::string_view input, Expected& expected, std::string& out) {
  const auto line = first_line(input, LineEnd::CrLf);
  if (!line) return line.error();
  const Command command = expected.caller.command;
  if (stat_line(command, line->text)) {
    if (!count_statistic(expected, line->bytes.size())) return kEndlessStatistics;
    expected.began = true;
    out += line->bytes;
    return ReplyPart{line->bytes.size()};
  }
  if (line->text != "END" && (expected.began || !only_line(command, line->text))) {
    return ReplyPoisoned{"not a line of statistics"};
  }
  out += line->bytes;
  return ReplyEnd{line->bytes.size()};
}

ReplyResult read_stream_reply(std::string_view input, Expected& expected, std::string& out) {
  const auto line = first_line(input, LineEnd::LfOrCrLf);
  if (!line) return line.error();
  const bool watch = expected.caller.command == Watch;
  const bool end = watch ? false : line->text == "END" || line->text == "EN";
  const bool refused = !expected.began && refusal(line->text);
  if (end || refused) {
    out += line->bytes;
    return ReplyEnd{line->bytes.size()};
  }
  // A log always starts with OK, a dump since 1.6.43.
  const bool starts = !expected.began && line->text == "OK";
  const bool goes_on = watch ? expected.began && free_of_controls(line->text) : dump_line(line->text);
  if (!starts && !goes_on) return ReplyPoisoned{"not a line of the stream"};
  expected.began = true;
  out += line->bytes;
  return ReplyPart{line->bytes.size()};
}

}  // namespace mcgate::protocol
