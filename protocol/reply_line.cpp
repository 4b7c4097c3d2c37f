#include "protocol/reply_line.hpp"

#include <algorithm>
#include <array>

namespace mcgate::protocol {
namespace {

using enum Command;

constexpr CommandSet kStores = CommandSet{Set} | Add | Replace | Append | Prepend | Cas | MetaSet;
constexpr CommandSet kCounts = CommandSet{Incr} | Decr | MetaArithmetic;
// Meta commands without a data block: after an error to MetaSet's line, memcached up to 1.6.39 would run the
// data as commands.
constexpr CommandSet kMetaLines = CommandSet{MetaGet} | MetaDelete | MetaArithmetic;
constexpr CommandSet kDumps = CommandSet{StatsItems} | StatsSlabs | StatsSizes | StatsConns | StatsSettings |
                              StatsReset | StatsDetail | StatsCachedump | StatsExtstore;

struct ErrorRow {
  std::string_view text;
  CommandSet commands;  // that it may be the answer to
};

// clang-format off: a table
constexpr std::array kErrors = std::to_array<ErrorRow>({
    {"SERVER_ERROR object too large for cache",      kStores},
    {"SERVER_ERROR out of memory storing object",    kStores},
    {"SERVER_ERROR out of memory in incr",           kCounts},
    {"SERVER_ERROR out of memory",                   kStores | kCounts | MetaGet | Stats | kDumps},
    {"SERVER_ERROR out of memory writing stats",     kDumps | Stats},
    // Since 1.6.0 an error inside a get drops the replies of commands before it: whoever reads one of these
    // has lost count, no matter what it asked.
    {"SERVER_ERROR out of memory writing get response", {}},
    {"SERVER_ERROR out of memory making CAS suffix", {}},
    {"SERVER_ERROR out of memory preparing response", {}},
    {"SERVER_ERROR out of memory reading request",   {}},
    {"SERVER_ERROR output line too long",            {}},
    {"CLIENT_ERROR cannot increment or decrement non-numeric value", kCounts},
    // A flag that this version does not know.
    {"CLIENT_ERROR invalid flag",                    kMetaLines},
    {"CLIENT_ERROR invalid or duplicate flag",       kMetaLines},
});
// clang-format on

// Their sub-commands and arguments differ by version and by how the backend was started.
bool may_be_refused(Command command) {
  return row(command).category == Category::Admin && command != MetaDebug;
}

}  // namespace

std::expected<ReplyLine, ReplyResult> first_line(std::string_view input, LineEnd end) {
  const std::string_view window = input.substr(0, kMaxReplyLine);
  const std::size_t feed = window.find('\n');
  if (feed == std::string_view::npos) {
    if (window.size() == kMaxReplyLine) return std::unexpected(ReplyPoisoned{"endless line"});
    return std::unexpected(ReplyNeedsMore{input.size() + 1});
  }
  const bool carriage_return = feed > 0 && window[feed - 1] == '\r';
  if (end == LineEnd::CrLf && !carriage_return) return std::unexpected(ReplyPoisoned{"line without CRLF"});
  return ReplyLine{window.substr(0, carriage_return ? feed - 1 : feed), window.substr(0, feed + 1)};
}

bool printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c <= 0x7e; });
}

bool free_of_controls(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f;
  });
}

bool count_statistic(Expected& expected, std::size_t bytes) {
  if (bytes > kMaxReplyStatistics - expected.statistics) return false;
  expected.statistics += bytes;
  return true;
}

bool may_fail_with(Command command, std::string_view text) {
  const bool of_client = text.starts_with("CLIENT_ERROR ");
  // Proxies that may stand behind us in memcached's place have failures and texts of their own.
  const bool of_server = text.starts_with("SERVER_ERROR ");
  if (!(of_client || of_server) || !printable(text)) return false;
  const auto* const known = std::ranges::find(kErrors, text, &ErrorRow::text);
  if (known != kErrors.end()) return known->commands.contains(command);
  return of_server || may_be_refused(command);
}

}  // namespace mcgate::protocol
