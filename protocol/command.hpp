// The command table: every command that mcgate knows, in every dialect, one row each.
//
// Parsers, policy, upstream links, logs and documentation are driven by it. What has no row here does not
// exist: it is answered as unknown and never forwarded. Pure data, used from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace mcgate::protocol {

// How a session talks. Classic text and meta share one connection; binary has its own.
enum class Dialect : std::uint8_t { Text, Meta, Binary };

// What a command does, as grants name it.
enum class Category : std::uint8_t { Session, Read, Write, Touch, Delete, Stats, Admin };

enum class Command : std::uint8_t {
  Get,
  Gets,
  Gat,
  Gats,
  Set,
  Add,
  Replace,
  Append,
  Prepend,
  Cas,
  Incr,
  Decr,
  Touch,
  Delete,
  MetaGet,
  MetaSet,
  MetaDelete,
  MetaArithmetic,
  Stats,
  // Admin
  FlushAll,
  Verbosity,
  CacheMemlimit,
  Slabs,
  Lru,
  LruCrawler,
  LruCrawlerDump,
  Extstore,
  MetaDebug,
  Watch,
  Shutdown,
  RefreshCerts,
  StatsItems,
  StatsSlabs,
  StatsSizes,
  StatsConns,
  StatsSettings,
  StatsReset,
  StatsDetail,
  StatsCachedump,
  StatsExtstore,
  // Session: these need an identity and nothing else.
  Version,
  Noop,
  Quit,
  SaslList,
  SaslAuth,
  SaslStep,
};
inline constexpr std::size_t kCommandCount = static_cast<std::size_t>(Command::SaslStep) + 1;

// memcached's version, as its own `version` reports it.
struct Version {
  int major = 0, minor = 0, patch = 0;
  friend constexpr auto operator<=>(const Version&, const Version&) = default;
};

// The versions from which on meta commands have today's form (protocol-level: 1.6.10), and `EN` echoes
// the opaque (1.6.18).
inline constexpr Version kModernMeta{1, 6, 10};
inline constexpr Version kOpaqueOnMiss{1, 6, 18};

enum class KeyCount : std::uint8_t { None, One, Many };

// Where a reply ends.
enum class ReplyShape : std::uint8_t {
  Local,   // mcgate answers by itself
  Line,    // one line
  Values,  // VALUE blocks until END
  Meta,    // one line, or VA with a data block
  Stats,   // STAT/ITEM lines until END, or one line
  Stream,  // lines without end or of any number: needs a link of its own
};

struct CommandRow {
  Command command;
  std::string_view name;  // in grants, logs and metrics: "get", "stats items"
  Category category;
  KeyCount keys;
  bool has_value;  // a data block (text, meta) or value (binary) follows
  ReplyShape reply;
  std::optional<Version> since_text;    // first version with it in text or meta; none: not in that dialect
  std::optional<Version> since_binary;  // the same for binary
};

// All rows, in the order of Command.
extern const std::array<CommandRow, kCommandCount> kCommandRows;
inline std::span<const CommandRow> all_commands() {
  return kCommandRows;
}

// The row of a command; every command has one.
inline const CommandRow& row(Command command) {
  return kCommandRows[static_cast<std::size_t>(command)];
}

// The command with that exact name, as a grant writes it.
std::optional<Command> command_named(std::string_view name);

// The category with that exact name ("read", "write", "touch", "delete", "stats", "admin").
std::optional<Category> category_named(std::string_view name);
std::string_view name(Category category);

// A set of commands: what a grant allows, what a request needs.
class CommandSet {
 public:
  constexpr CommandSet() = default;
  constexpr CommandSet(Command command) : bits_{std::uint64_t{1} << static_cast<unsigned>(command)} {}

  constexpr CommandSet operator|(CommandSet other) const { return CommandSet{bits_ | other.bits_}; }
  constexpr CommandSet operator&(CommandSet other) const { return CommandSet{bits_ & other.bits_}; }
  constexpr CommandSet without(CommandSet other) const { return CommandSet{bits_ & ~other.bits_}; }
  constexpr CommandSet& operator|=(CommandSet other) {
    bits_ |= other.bits_;
    return *this;
  }
  constexpr bool contains(CommandSet all) const { return (bits_ & all.bits_) == all.bits_; }
  constexpr bool intersects(CommandSet any) const { return (bits_ & any.bits_) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(CommandSet, CommandSet) = default;

 private:
  constexpr explicit CommandSet(std::uint64_t bits) : bits_{bits} {}
  std::uint64_t bits_ = 0;
};
static_assert(kCommandCount <= 64, "CommandSet holds 64 commands");

// All commands of a category.
CommandSet commands_of(Category category);
// What `*` means in a grant: everything but Category::Admin, which must be named.
CommandSet commands_of_star();

}  // namespace mcgate::protocol
