// The flags of meta commands: which command takes which, what their arguments are, what rights they stand
// for, and since which version of memcached they mean what they mean.
//
// Internal to protocol/. Pure data, used from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/command.hpp"

namespace mcgate::protocol {

enum class FlagArgument : std::uint8_t {
  None,
  Time,    // i32, as exptime
  Word32,  // u32
  Word64,  // u64
  Mode,    // one letter
  Opaque,  // up to 31 printable characters
};

struct FlagOn {
  bool taken = false;
  std::optional<Version> since = {};  // if later than the command itself
  CommandSet needs = {};              // beside the command itself
};

struct MetaFlagRow {
  char letter;
  FlagArgument argument;
  bool forwarded;  // not those that are between the client and us
  FlagOn mg, ms, md, ma;

  constexpr const FlagOn& on(Command command) const {
    if (command == Command::MetaGet) return mg;
    if (command == Command::MetaSet) return ms;
    return command == Command::MetaDelete ? md : ma;
  }
};

namespace meta_flags {
inline constexpr FlagOn no{};
inline constexpr FlagOn yes{.taken = true};
inline constexpr FlagOn touches{.taken = true, .needs = Command::Touch};
inline constexpr FlagOn writes{.taken = true, .needs = Command::Set};
inline constexpr Version kNewCas{1, 6, 27};
inline constexpr FlagOn new_cas{.taken = true, .since = kNewCas, .needs = Command::Set};
inline constexpr FlagOn new_cas_of_set{.taken = true, .since = kNewCas};
inline constexpr FlagOn since_20{.taken = true, .since = Version{1, 6, 20}};
inline constexpr FlagOn since_40{.taken = true, .since = Version{1, 6, 40}};

// clang-format off: a table
inline constexpr std::array<MetaFlagRow, 25> kRows{{
    // argument                fwd     mg        ms              md        ma
    {'b', FlagArgument::None,   false, yes,      yes,            yes,      yes},
    {'k', FlagArgument::None,   false, yes,      yes,            yes,      yes},
    {'q', FlagArgument::None,   false, yes,      yes,            yes,      yes},
    {'O', FlagArgument::Opaque, false, yes,      yes,            yes,      yes},
    // Hints to proxies, which memcached ignores. Where they would lead is not ours to judge.
    {'P', FlagArgument::Opaque, false, yes,      yes,            yes,      yes},
    {'L', FlagArgument::Opaque, false, yes,      yes,            yes,      yes},
    {'s', FlagArgument::None,   true,  yes,      since_20,       no,       no},
    {'t', FlagArgument::None,   true,  yes,      no,             no,       yes},
    {'c', FlagArgument::None,   true,  yes,      yes,            no,       yes},
    {'f', FlagArgument::None,   true,  yes,      no,             no,       no},
    {'h', FlagArgument::None,   true,  yes,      no,             no,       no},
    {'l', FlagArgument::None,   true,  yes,      no,             no,       no},
    {'v', FlagArgument::None,   true,  yes,      no,             no,       yes},
    {'u', FlagArgument::None,   true,  yes,      no,             no,       no},
    // N creates an item; R takes the token that says who is to write it anew.
    {'N', FlagArgument::Time,   true,  writes,   since_20,       no,       writes},
    {'T', FlagArgument::Time,   true,  touches,  yes,            touches,  touches},
    {'R', FlagArgument::Time,   true,  writes,   no,             no,       no},
    {'C', FlagArgument::Word64, true,  since_40, yes,            yes,      yes},
    {'E', FlagArgument::Word64, true,  new_cas,  new_cas_of_set, new_cas,  new_cas},
    {'I', FlagArgument::None,   true,  no,       yes,            writes,   no},
    {'x', FlagArgument::None,   true,  no,       no,             new_cas,  no},
    {'F', FlagArgument::Word32, true,  no,       yes,            no,       no},
    {'M', FlagArgument::Mode,   true,  no,       yes,            no,       yes},
    {'J', FlagArgument::Word64, true,  no,       no,             no,       yes},
    {'D', FlagArgument::Word64, true,  no,       no,             no,       yes},
}};
// clang-format on
}  // namespace meta_flags

// The row of a flag; none if no command has it.
constexpr const MetaFlagRow* flag_row(char letter) {
  for (const MetaFlagRow& row : meta_flags::kRows) {
    if (row.letter == letter) return &row;
  }
  return nullptr;
}

}  // namespace mcgate::protocol
