#include "protocol/command.hpp"

#include <algorithm>
#include <array>

namespace mcgate::protocol {
namespace {

using enum KeyCount;

// The oldest memcached that we serve.
constexpr Version kFirst{1, 4, 0};
constexpr std::optional<Version> kNever;

constexpr std::optional<Version> since(int minor, int patch) {
  return Version{1, minor, patch};
}

}  // namespace

// clang-format off: a table
constexpr std::array<CommandRow, kCommandCount> kCommandRows{{
    // command                name                    category           keys  value  reply               text          binary
    {Command::Get,            "get",                  Category::Read,    Many, false, ReplyShape::Values, kFirst,       kFirst},
    {Command::Gets,           "gets",                 Category::Read,    Many, false, ReplyShape::Values, kFirst,       kNever},
    {Command::Gat,            "gat",                  Category::Read,    Many, false, ReplyShape::Values, since(5, 3),  since(4, 8)},
    {Command::Gats,           "gats",                 Category::Read,    Many, false, ReplyShape::Values, since(5, 3),  kNever},
    {Command::Set,            "set",                  Category::Write,   One,  true,  ReplyShape::Line,   kFirst,       kFirst},
    {Command::Add,            "add",                  Category::Write,   One,  true,  ReplyShape::Line,   kFirst,       kFirst},
    {Command::Replace,        "replace",              Category::Write,   One,  true,  ReplyShape::Line,   kFirst,       kFirst},
    {Command::Append,         "append",               Category::Write,   One,  true,  ReplyShape::Line,   kFirst,       kFirst},
    {Command::Prepend,        "prepend",              Category::Write,   One,  true,  ReplyShape::Line,   kFirst,       kFirst},
    {Command::Cas,            "cas",                  Category::Write,   One,  true,  ReplyShape::Line,   kFirst,       kFirst},
    {Command::Incr,           "incr",                 Category::Write,   One,  false, ReplyShape::Line,   kFirst,       kFirst},
    {Command::Decr,           "decr",                 Category::Write,   One,  false, ReplyShape::Line,   kFirst,       kFirst},
    {Command::Touch,          "touch",                Category::Touch,   One,  false, ReplyShape::Line,   since(4, 8),  since(4, 8)},
    {Command::Delete,         "delete",               Category::Delete,  One,  false, ReplyShape::Line,   kFirst,       kFirst},
    {Command::MetaGet,        "mg",                   Category::Read,    One,  false, ReplyShape::Meta,   kModernMeta,  kNever},
    {Command::MetaSet,        "ms",                   Category::Write,   One,  true,  ReplyShape::Meta,   kModernMeta,  kNever},
    {Command::MetaDelete,     "md",                   Category::Delete,  One,  false, ReplyShape::Meta,   kModernMeta,  kNever},
    {Command::MetaArithmetic, "ma",                   Category::Write,   One,  false, ReplyShape::Meta,   kModernMeta,  kNever},
    {Command::Stats,          "stats",                Category::Stats,   None, false, ReplyShape::Stats,  kFirst,       kFirst},
    {Command::FlushAll,       "flush_all",            Category::Admin,   None, false, ReplyShape::Line,   kFirst,       kFirst},
    {Command::Verbosity,      "verbosity",            Category::Admin,   None, false, ReplyShape::Line,   kFirst,       kNever},
    {Command::CacheMemlimit,  "cache_memlimit",       Category::Admin,   None, false, ReplyShape::Line,   kFirst,       kNever},
    {Command::Slabs,          "slabs",                Category::Admin,   None, false, ReplyShape::Line,   since(4, 11), kNever},
    {Command::Lru,            "lru",                  Category::Admin,   None, false, ReplyShape::Line,   kFirst,       kNever},
    {Command::LruCrawler,     "lru_crawler",          Category::Admin,   None, false, ReplyShape::Line,   since(4, 18), kNever},
    {Command::LruCrawlerDump, "lru_crawler metadump", Category::Admin,   None, false, ReplyShape::Stream, since(4, 18), kNever},
    {Command::Extstore,       "extstore",             Category::Admin,   None, false, ReplyShape::Line,   since(5, 4),  kNever},
    {Command::MetaDebug,      "me",                   Category::Admin,   One,  false, ReplyShape::Line,   kModernMeta,  kNever},
    {Command::Watch,          "watch",                Category::Admin,   None, false, ReplyShape::Stream, since(4, 26), kNever},
    {Command::Shutdown,       "shutdown",             Category::Admin,   None, false, ReplyShape::Line,   kFirst,       kNever},
    {Command::RefreshCerts,   "refresh_certs",        Category::Admin,   None, false, ReplyShape::Line,   since(5, 13), kNever},
    {Command::StatsItems,     "stats items",          Category::Admin,   None, false, ReplyShape::Stats,  kFirst,       kFirst},
    {Command::StatsSlabs,     "stats slabs",          Category::Admin,   None, false, ReplyShape::Stats,  kFirst,       kFirst},
    {Command::StatsSizes,     "stats sizes",          Category::Admin,   None, false, ReplyShape::Stats,  kFirst,       kFirst},
    {Command::StatsConns,     "stats conns",          Category::Admin,   None, false, ReplyShape::Stats,  kFirst,       kFirst},
    {Command::StatsSettings,  "stats settings",       Category::Admin,   None, false, ReplyShape::Stats,  kFirst,       kFirst},
    {Command::StatsReset,     "stats reset",          Category::Admin,   None, false, ReplyShape::Stats,  kFirst,       kFirst},
    {Command::StatsDetail,    "stats detail",         Category::Admin,   None, false, ReplyShape::Stats,  kFirst,       kFirst},
    {Command::StatsCachedump, "stats cachedump",      Category::Admin,   None, false, ReplyShape::Stats,  kFirst,       kNever},
    {Command::StatsExtstore,  "stats extstore",       Category::Admin,   None, false, ReplyShape::Stats,  since(5, 4),  since(5, 4)},
    {Command::Version,        "version",              Category::Session, None, false, ReplyShape::Local,  kFirst,       kFirst},
    {Command::Noop,           "noop",                 Category::Session, None, false, ReplyShape::Local,  kFirst,       kFirst},
    {Command::Quit,           "quit",                 Category::Session, None, false, ReplyShape::Local,  kFirst,       kFirst},
    {Command::SaslList,       "sasl_list",            Category::Session, None, false, ReplyShape::Local,  kNever,       kFirst},
    {Command::SaslAuth,       "sasl_auth",            Category::Session, None, true,  ReplyShape::Local,  kNever,       kFirst},
    {Command::SaslStep,       "sasl_step",            Category::Session, None, true,  ReplyShape::Local,  kNever,       kFirst},
}};
// clang-format on

namespace {

constexpr bool complete_and_in_order() {
  for (std::size_t i = 0; i < kCommandRows.size(); ++i) {
    if (static_cast<std::size_t>(kCommandRows[i].command) != i || kCommandRows[i].name.empty()) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (kCommandRows[j].name == kCommandRows[i].name) return false;
    }
  }
  return true;
}
static_assert(complete_and_in_order(), "row() finds a command's row by its number");

// Only what a client's identity alone permits is answered by mcgate itself, and nothing of it goes upstream.
static_assert(std::ranges::all_of(kCommandRows, [](const CommandRow& row) {
  return (row.category == Category::Session) == (row.reply == ReplyShape::Local);
}));

struct CategoryRow {
  Category category;
  std::string_view name;
};
constexpr std::array<CategoryRow, 7> kCategories{{
    {Category::Session, "session"},
    {Category::Read, "read"},
    {Category::Write, "write"},
    {Category::Touch, "touch"},
    {Category::Delete, "delete"},
    {Category::Stats, "stats"},
    {Category::Admin, "admin"},
}};
static_assert(kCategories.back().category == Category::Admin &&
              kCategories.size() == static_cast<std::size_t>(Category::Admin) + 1);

constexpr std::array<CommandSet, kCategories.size()> sets_by_category() {
  std::array<CommandSet, kCategories.size()> sets{};
  for (const CommandRow& row : kCommandRows) sets[static_cast<std::size_t>(row.category)] |= row.command;
  return sets;
}
constexpr auto kSets = sets_by_category();

}  // namespace

std::optional<Command> command_named(std::string_view name) {
  const auto* const found = std::ranges::find(kCommandRows, name, &CommandRow::name);
  if (found == kCommandRows.end()) return std::nullopt;
  return found->command;
}

std::optional<Category> category_named(std::string_view name) {
  // Nobody grants what every identity has.
  if (name == "session") return std::nullopt;
  const auto* const found = std::ranges::find(kCategories, name, &CategoryRow::name);
  if (found == kCategories.end()) return std::nullopt;
  return found->category;
}

std::string_view name(Category category) {
  return kCategories[static_cast<std::size_t>(category)].name;
}

CommandSet commands_of(Category category) {
  return kSets[static_cast<std::size_t>(category)];
}

CommandSet commands_of_star() {
  CommandSet all;
  for (const CommandRow& row : kCommandRows) all |= row.command;
  return all.without(commands_of(Category::Admin));
}

}  // namespace mcgate::protocol
