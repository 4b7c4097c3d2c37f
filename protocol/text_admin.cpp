#include <algorithm>
#include <array>
#include <span>

#include "protocol/text_line.hpp"

namespace mcgate::protocol {
namespace {

// What stands in the place of an argument.
enum class Argument : std::uint8_t {
  Unsigned,   // u32
  Signed,     // i32
  Level,      // 0, 1, 2
  Fraction,   // digits[.digits]
  Ratio,      // the word "ratio"
  LruMode,    // flat, segmented
  Classes,    // "all" or slab classes, joined by commas
  DumpFrom,   // the same or "hash"
  OnOffDump,  // on, off, dump
  Graceful,   // graceful
};

struct Form {
  std::string_view name;  // the first word
  std::string_view sub;   // the second, if this form has one
  Command command;
  std::array<Argument, 4> argument;
  std::size_t arguments;
  std::string_view wrong = kError;  // the answer to an argument that isn't what it should be
  bool loud = false;                // takes no `noreply`, though other forms of this name do
};

constexpr std::string_view kDetailUsage = "CLIENT_ERROR usage: stats detail on|off|dump";

// Every form of every command here. What matches none is not known, or not with these arguments: matching
// is exact, where memcached from 1.6.40 on takes prefixes.
// `stats sizes_enable` and `sizes_disable` are not known: memcached answers them with a STAT line and no END,
// so that nothing tells where the reply ends.
// clang-format off: a table
using enum Argument;
constexpr std::array kForms{
    Form{"stats", "", Command::Stats, {}, 0},
    Form{"stats", "items", Command::StatsItems, {}, 0},
    Form{"stats", "slabs", Command::StatsSlabs, {}, 0},
    Form{"stats", "sizes", Command::StatsSizes, {}, 0},
    Form{"stats", "conns", Command::StatsConns, {}, 0},
    Form{"stats", "settings", Command::StatsSettings, {}, 0},
    Form{"stats", "reset", Command::StatsReset, {}, 0},
    Form{"stats", "detail", Command::StatsDetail, {OnOffDump}, 1, kDetailUsage},
    Form{"stats", "cachedump", Command::StatsCachedump, {Unsigned, Unsigned}, 2, kBadFormat},
    Form{"stats", "extstore", Command::StatsExtstore, {}, 0},
    Form{"flush_all", "", Command::FlushAll, {}, 0},
    Form{"flush_all", "", Command::FlushAll, {Signed}, 1, kBadExptime},
    Form{"verbosity", "", Command::Verbosity, {Unsigned}, 1, kBadFormat},
    Form{"cache_memlimit", "", Command::CacheMemlimit, {Unsigned}, 1},
    Form{"slabs", "reassign", Command::Slabs, {Signed, Signed}, 2, kBadFormat, true},
    Form{"slabs", "automove", Command::Slabs, {Level}, 1},
    Form{"slabs", "automove", Command::Slabs, {Ratio, Fraction}, 2},
    Form{"lru", "tune", Command::Lru, {Unsigned, Unsigned, Fraction, Fraction}, 4},
    Form{"lru", "mode", Command::Lru, {LruMode}, 1},
    Form{"lru", "temp_ttl", Command::Lru, {Signed}, 1},
    Form{"lru_crawler", "enable", Command::LruCrawler, {}, 0},
    Form{"lru_crawler", "disable", Command::LruCrawler, {}, 0},
    Form{"lru_crawler", "sleep", Command::LruCrawler, {Unsigned}, 1, kBadFormat},
    Form{"lru_crawler", "tocrawl", Command::LruCrawler, {Unsigned}, 1, kBadFormat},
    Form{"lru_crawler", "crawl", Command::LruCrawler, {Classes}, 1, "BADCLASS invalid class id"},
    Form{"lru_crawler", "metadump", Command::LruCrawlerDump, {DumpFrom}, 1, "BADCLASS invalid class id"},
    Form{"lru_crawler", "mgdump", Command::LruCrawlerDump, {DumpFrom}, 1, "BADCLASS invalid class id"},
    Form{"extstore", "free_memchunks", Command::Extstore, {Unsigned, Unsigned}, 2},
    Form{"extstore", "item_size", Command::Extstore, {Unsigned}, 1},
    Form{"extstore", "item_age", Command::Extstore, {Unsigned}, 1},
    Form{"extstore", "low_ttl", Command::Extstore, {Unsigned}, 1},
    Form{"extstore", "recache_rate", Command::Extstore, {Unsigned}, 1},
    Form{"extstore", "compact_under", Command::Extstore, {Unsigned}, 1},
    Form{"extstore", "drop_under", Command::Extstore, {Unsigned}, 1},
    Form{"extstore", "max_sleep", Command::Extstore, {Unsigned}, 1},
    Form{"extstore", "max_frag", Command::Extstore, {Fraction}, 1},
    Form{"extstore", "drop_unread", Command::Extstore, {Unsigned}, 1},
    Form{"shutdown", "", Command::Shutdown, {}, 0},
    Form{"shutdown", "", Command::Shutdown, {Graceful}, 1, "CLIENT_ERROR invalid shutdown mode"},
    Form{"refresh_certs", "", Command::RefreshCerts, {}, 0},
};

// The commands here: whether they take `noreply`, how many tokens may follow at all (memcached counts
// before it looks for `noreply`, so that a wrong count is told all the same), and the answer to an unknown
// form.
struct Group {
  std::string_view name;
  Command command;
  bool noreply;
  std::size_t least, most;
  std::string_view unknown = kError;
};
constexpr std::array kGroups{
    Group{"stats", Command::Stats, false, 0, kMaxTokens},
    Group{"flush_all", Command::FlushAll, true, 0, 2, kBadFormat},
    Group{"verbosity", Command::Verbosity, true, 1, 2, kBadFormat},
    Group{"cache_memlimit", Command::CacheMemlimit, true, 1, 2},
    Group{"slabs", Command::Slabs, true, 0, kMaxTokens},
    Group{"lru", Command::Lru, true, 1, kMaxTokens},
    Group{"lru_crawler", Command::LruCrawler, false, 0, kMaxTokens},
    Group{"extstore", Command::Extstore, true, 1, kMaxTokens},
    Group{"shutdown", Command::Shutdown, false, 0, kMaxTokens, "CLIENT_ERROR invalid shutdown mode"},
    Group{"refresh_certs", Command::RefreshCerts, true, 0, kMaxTokens},
};

constexpr std::array<std::string_view, 10> kWatched{
    "fetchers", "mutations", "evictions", "connevents", "sysevents",
    "deletions", "rawcmds", "proxyreqs", "proxyevents", "proxyuser"};
// clang-format on

constexpr std::size_t kMaxClasses = 64;  // slab classes that memcached has

bool digits(std::string_view text) {
  return !text.empty() && text.size() <= 9 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool fraction(std::string_view text) {
  const std::size_t point = text.find('.');
  return digits(text.substr(0, point)) && (point == std::string_view::npos || digits(text.substr(point + 1)));
}

bool class_list(std::string_view text) {
  if (text == "all") return true;
  for (std::size_t i = 0; i < kMaxClasses; ++i) {
    const std::size_t comma = text.find(',');
    if (!digits(text.substr(0, comma))) return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
  return false;
}

// The argument as it goes upstream, if it is one of that kind.
std::optional<std::string_view> canonical(Argument argument, std::string_view text) {
  const auto when = [text](bool good) { return good ? std::optional{text} : std::nullopt; };
  switch (argument) {
    case Unsigned:
      return canonical_number<std::uint32_t>(text);
    case Signed:
      return canonical_number<std::int32_t>(text);
    case Level:
      return when(text == "0" || text == "1" || text == "2");
    case Fraction:
      return when(fraction(text));
    case Ratio:
      return when(text == "ratio");
    case LruMode:
      return when(text == "flat" || text == "segmented");
    case Classes:
      return when(class_list(text));
    case DumpFrom:
      return when(text == "hash" || class_list(text));
    case OnOffDump:
      return when(text == "on" || text == "off" || text == "dump");
    case Graceful:
      return when(text == "graceful");
  }
  return std::nullopt;
}

using Words = std::span<const std::string_view>;

const Form* find_form(std::string_view name, Words words) {
  const auto* const found = std::ranges::find_if(kForms, [&](const Form& form) {
    const std::size_t subs = form.sub.empty() ? 0 : 1;
    return form.name == name && words.size() == form.arguments + subs && (subs == 0 || words[0] == form.sub);
  });
  return found == kForms.end() ? nullptr : found;
}

ParseResult take_form(TextLine& line, const Form& form, Words words) {
  Request& request = line.request;
  request.caller.command = form.command;
  request.needs = form.command;
  if (!form.sub.empty()) {
    request.words.push_back(form.sub);
    words = words.subspan(1);
  }
  for (std::size_t i = 0; i < form.arguments; ++i) {
    const auto word = canonical(form.argument[i], words[i]);
    if (!word) return refuse(line, form.wrong);
    request.words.push_back(*word);
  }
  if (form.command == Command::FlushAll && form.arguments == 1) {
    request.exptime = parse_number<std::int32_t>(words[0]).value_or(0);
  }
  return Parsed{line.bytes};
}

// What is said to a line of a known command that has none of its forms.
std::string_view unknown_form(const Group& group, Words words) {
  if (group.command == Command::Stats && !words.empty()) {
    if (words[0] == "detail") return kDetailUsage;
    if (words[0] == "cachedump" && words.size() < 3) return "CLIENT_ERROR bad command line";
  }
  return group.unknown;
}

ParseResult parse_group(TextLine& line, const Group& group) {
  Request& request = line.request;
  request.caller.command = group.command;
  request.needs = group.command;
  Words words = Words{line.token}.first(line.count).subspan(1);
  if (line.more || words.size() < group.least || words.size() > group.most) return refuse(line, kError);
  if (group.noreply && !words.empty() && words.back() == kNoreply) {
    request.caller.quiet = true;
    words = words.first(words.size() - 1);
  }
  const Form* const form = find_form(group.name, words);
  if (form == nullptr) {
    return refuse(line, unknown_form(group, words));
  }
  if (form->loud && request.caller.quiet) {
    request.caller.quiet = false;
    return refuse(line, kError);
  }
  return take_form(line, *form, words);
}

ParseResult parse_watch(TextLine& line) {
  Request& request = line.request;
  request.caller.command = Command::Watch;
  request.needs = Command::Watch;
  if (line.more) return refuse(line, kError);
  for (const std::string_view word : Words{line.token}.first(line.count).subspan(1)) {
    const auto* const known = std::ranges::find(kWatched, word);
    if (known == kWatched.end()) return refuse(line, kError);
    request.words.push_back(*known);
  }
  return Parsed{line.bytes};
}

}  // namespace

std::optional<ParseResult> parse_admin(TextLine& line) {
  if (line.token[0] == "watch") return parse_watch(line);
  const auto* const group = std::ranges::find(kGroups, line.token[0], &Group::name);
  if (group == kGroups.end()) return std::nullopt;
  return parse_group(line, *group);
}

}  // namespace mcgate::protocol
