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
#include "protocol/request.hpp"

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
  char letter = 0;
  FlagArgument argument = FlagArgument::None;
  bool forwarded = false;  // not those that are between the client and us
  FlagOn mg, ms, md, ma;

  constexpr const FlagOn& on(Command command) const {
    if (command == Command::MetaGet) return mg;
    if (command == Command::MetaSet) return ms;
    return command == Command::MetaDelete ? md : ma;
  }
};

namespace meta_flags {
inline constexpr FlagOn kNo{};
inline constexpr FlagOn kYes{.taken = true};
inline constexpr FlagOn kTouches{.taken = true, .needs = Command::Touch};
inline constexpr FlagOn kWrites{.taken = true, .needs = Command::Set};
inline constexpr Version kCasGiven{1, 6, 27};
inline constexpr FlagOn kNewCas{.taken = true, .since = kCasGiven, .needs = Command::Set};
inline constexpr FlagOn kNewCasOfSet{.taken = true, .since = kCasGiven};
inline constexpr FlagOn kSince20{.taken = true, .since = Version{1, 6, 20}};
inline constexpr FlagOn kSince40{.taken = true, .since = Version{1, 6, 40}};

// clang-format off: a table
inline constexpr std::array<MetaFlagRow, 25> kRows{{
    //   argument              fwd    mg        ms             md        ma
    {'b', FlagArgument::None,   false, kYes,     kYes,          kYes,     kYes},
    {'k', FlagArgument::None,   false, kYes,     kYes,          kYes,     kYes},
    {'q', FlagArgument::None,   false, kYes,     kYes,          kYes,     kYes},
    {'O', FlagArgument::Opaque, false, kYes,     kYes,          kYes,     kYes},
    // Hints to proxies, which memcached ignores. Where they would lead is not ours to judge.
    {'P', FlagArgument::Opaque, false, kYes,     kYes,          kYes,     kYes},
    {'L', FlagArgument::Opaque, false, kYes,     kYes,          kYes,     kYes},
    {'s', FlagArgument::None,   true,  kYes,     kSince20,      kNo,      kNo},
    {'t', FlagArgument::None,   true,  kYes,     kNo,           kNo,      kYes},
    {'c', FlagArgument::None,   true,  kYes,     kYes,          kNo,      kYes},
    {'f', FlagArgument::None,   true,  kYes,     kNo,           kNo,      kNo},
    {'h', FlagArgument::None,   true,  kYes,     kNo,           kNo,      kNo},
    {'l', FlagArgument::None,   true,  kYes,     kNo,           kNo,      kNo},
    {'v', FlagArgument::None,   true,  kYes,     kNo,           kNo,      kYes},
    {'u', FlagArgument::None,   true,  kYes,     kNo,           kNo,      kNo},
    // N creates an item; R takes the token that says who is to write it anew.
    {'N', FlagArgument::Time,   true,  kWrites,  kSince20,      kNo,      kWrites},
    {'T', FlagArgument::Time,   true,  kTouches, kYes,          kTouches, kTouches},
    {'R', FlagArgument::Time,   true,  kWrites,  kNo,           kNo,      kNo},
    {'C', FlagArgument::Word64, true,  kSince40, kYes,          kYes,     kYes},
    {'E', FlagArgument::Word64, true,  kNewCas,  kNewCasOfSet,  kNewCas,  kNewCas},
    {'I', FlagArgument::None,   true,  kNo,      kYes,          kWrites,  kNo},
    {'x', FlagArgument::None,   true,  kNo,      kNo,           kNewCas,  kNo},
    {'F', FlagArgument::Word32, true,  kNo,      kYes,          kNo,      kNo},
    {'M', FlagArgument::Mode,   true,  kNo,      kYes,          kNo,      kYes},
    {'J', FlagArgument::Word64, true,  kNo,      kNo,           kNo,      kYes},
    {'D', FlagArgument::Word64, true,  kNo,      kNo,           kNo,      kYes},
}};
// clang-format on

// Where each letter has its row, from 'A' on; kRows.size() where it has none.
inline constexpr auto kRowOf = [] {
  std::array<std::uint8_t, 'z' - 'A' + 1> rows{};
  rows.fill(kRows.size());
  for (std::size_t i = 0; i < kRows.size(); ++i)
    rows[static_cast<std::size_t>(kRows[i].letter - 'A')] = static_cast<std::uint8_t>(i);
  return rows;
}();
}  // namespace meta_flags

// The row of a flag; none if no command has it.
constexpr const MetaFlagRow* flag_row(char letter) {
  if (!FlagSet::is_letter(letter)) return nullptr;
  const std::size_t row = meta_flags::kRowOf[static_cast<std::size_t>(letter - 'A')];
  return row < meta_flags::kRows.size() ? &meta_flags::kRows[row] : nullptr;
}

}  // namespace mcgate::protocol
