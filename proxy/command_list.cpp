#include "proxy/command_list.hpp"

#include <fmt/format.h>

#include <iterator>

#include "protocol/command.hpp"

namespace mcgate::proxy {
namespace {

std::string_view name(protocol::KeyCount keys) {
  switch (keys) {
    case protocol::KeyCount::None:
      return "none";
    case protocol::KeyCount::One:
      return "one";
    case protocol::KeyCount::Many:
      return "many";
  }
  return {};
}

std::string format(const std::optional<protocol::Version>& since) {
  return since ? fmt::format("{}.{}.{}", since->major, since->minor, since->patch) : "-";
}

}  // namespace

std::string list_commands() {
  constexpr auto kColumns = "{:<22}{:<10}{:<6}{:<8}{}\n";
  std::string text = fmt::format(kColumns, "COMMAND", "CATEGORY", "KEYS", "TEXT", "BINARY");
  for (const protocol::CommandRow& row : protocol::all_commands())
    fmt::format_to(std::back_inserter(text), kColumns, row.name, protocol::name(row.category), name(row.keys),
                   format(row.since_text), format(row.since_binary));
  return text;
}

}  // namespace mcgate::proxy
