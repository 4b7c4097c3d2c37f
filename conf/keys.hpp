// The table of configuration keys: every key that a file may hold, one row each. Reading, messages and the
// check of the documentation are driven by it; what has no row here is an unknown key. Pure data.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace mcgate::conf {

// The kinds of table that a file is made of.
enum class Section : std::uint8_t {
  Top,
  Listener,
  ListenerTls,
  ListenerAnonymous,
  Upstream,
  Timeouts,
  Limits,
  Log,
  Login,
  LoginThrottle,
  Admin,
  Audit,
  User,
  UserSecret,
  Role,
  Grant,
  UserLimits,
};

enum class Type : std::uint8_t {
  Boolean,
  Integer,
  Seconds,        // an integer or a decimal, to the millisecond; its range is in milliseconds
  Mode,           // a file's, in octal
  Text,           // never empty
  Moment,         // a date and time with its offset from UTC
  Texts,          // an array of texts; its range is their number
  TextsOrTables,  // an array of texts and of tables; its range is their number
  Table,
  Tables,        // an array of tables; its range is their number
  TextOrTables,  // either of these; the range is both's
};

struct KeyRow {
  Section section;
  std::string_view name;
  Type type;
  std::int64_t least;
  std::int64_t most;
  std::string_view fallback;  // what holds where the key is left out; empty: it is required
  std::string_view help;
};

std::span<const KeyRow> all_keys();

// The row of a key; none if there is no such key.
const KeyRow* find_key(Section section, std::string_view name);

// How a section is written: "[[listener]]", "[limits]".
std::string_view title(Section section);

}  // namespace mcgate::conf
