// The one place that knows toml++, which reads and writes for us: its exceptions end here, and its values
// become ours. Strings that are read are moved, not copied, so that a verifier does not stay behind in the
// library's tree.
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>
#include <tuple>
#include <utility>

#include "conf/document.hpp"
#include "conf/toml_writer.hpp"

namespace mcgate::conf {
namespace {

Place place_of(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}

// To the second, downwards.
std::optional<std::chrono::sys_seconds> in_utc(const toml::date_time& moment) {
  if (!moment.offset) return std::nullopt;
  const std::chrono::year_month_day day{std::chrono::year{moment.date.year},
                                        std::chrono::month{moment.date.month},
                                        std::chrono::day{moment.date.day}};
  return std::chrono::sys_days{day} + std::chrono::hours{moment.time.hour} +
         std::chrono::minutes{moment.time.minute} + std::chrono::seconds{moment.time.second} -
         std::chrono::minutes{moment.offset->minutes};
}

Value take(toml::node& node);

Members take_table(toml::table& table) {
  Members members;
  members.reserve(table.size());
  for (auto&& [key, node] : table) {
    members.push_back({std::string{key.str()}, place_of(key.source()), take(node)});
  }
  // The library sorts by name; problems and roles are wanted in the file's order.
  std::ranges::sort(members, {}, [](const Member& member) {
    return std::tuple{member.place.line, member.place.column, std::string_view{member.key}};
  });
  return members;
}

Array take_array(toml::array& array) {
  Array items;
  items.reserve(array.size());
  for (toml::node& node : array) items.push_back(take(node));
  return items;
}

Value take(toml::node& node) {
  Value value{.place = place_of(node.source()), .data = Moment{std::nullopt}};
  if (auto* text = node.as_string()) {
    value.data = std::move(text->get());
  } else if (const auto* integer = node.as_integer()) {
    const bool octal = (integer->flags() & toml::value_flags::format_as_octal) != toml::value_flags::none;
    value.data = Integer{integer->get(), octal};
  } else if (const auto* number = node.as_floating_point()) {
    value.data = number->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.data = boolean->get();
  } else if (const auto* moment = node.as_date_time()) {
    value.data = Moment{in_utc(moment->get())};
  } else if (auto* array = node.as_array()) {
    value.data = take_array(*array);
  } else if (auto* table = node.as_table()) {
    value.data = take_table(*table);
  }
  return value;
}

// The library's description without what it quotes of the file, which may be a password. What it expected is
// its own words, and ends where it tells what it saw; any other quotation goes whole, from the first quote to
// the last, as the text in it may hold quotes too.
std::string without_quotations(std::string_view description) {
  const auto first = description.find('\'');
  if (description.find(": expected ") < first)
    return std::string{description.substr(0, description.find(", saw "))};
  if (first == description.npos) return std::string{description};
  std::string text{description.substr(0, first)};
  return text.append("'…'").append(description.substr(description.rfind('\'') + 1));
}

// Nothing but basic strings of ASCII: what an operator is to review has no letters that look like others.
constexpr toml::format_flags kPlain = toml::format_flags::indent_array_elements;

constexpr std::string_view kBareKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

std::string written(const toml::node& node) {
  std::ostringstream out;
  out << toml::toml_formatter{node, kPlain};
  return std::move(out).str();
}

toml::array array_of(std::span<const std::string> texts) {
  toml::array array;
  for (const std::string& text : texts) array.push_back(text);
  return array;
}

toml::array array_of(std::span<const GrantTexts> grants) {
  toml::array array;
  for (const GrantTexts& each : grants) {
    toml::table grant{{"commands", array_of(each.commands)}};
    if (!each.keys.empty()) grant.insert("keys", array_of(each.keys));
    grant.is_inline(true);
    array.push_back(std::move(grant));
  }
  return array;
}

}  // namespace

std::expected<Members, Problem> read_toml(std::string_view text, const std::string& file) {
  try {
    toml::table document = toml::parse(text);
    return take_table(document);
  } catch (const toml::parse_error& error) {
    return std::unexpected(
        Problem{file, place_of(error.source()), "not TOML: " + without_quotations(error.description())});
  }
}

std::string to_toml(std::string_view text) {
  return written(toml::value<std::string>{std::string{text}});
}

std::string to_toml(std::span<const std::string> texts) {
  return written(array_of(texts));
}

GrantTexts texts_of(const Grant& grant) {
  GrantTexts texts;
  const protocol::CommandSet star = protocol::commands_of_star();
  const bool has_star = grant.commands.contains(star);
  if (has_star) texts.commands.emplace_back("*");
  for (const protocol::CommandRow& row : protocol::all_commands()) {
    if (grant.commands.contains(row.command) && !(has_star && star.contains(row.command)))
      texts.commands.emplace_back(row.name);
  }
  for (std::size_t i = 0; i < grant.keys.size(); ++i)
    texts.keys.push_back(grant.exact[i] ? grant.keys[i] : grant.keys[i] + '*');
  return texts;
}

std::string role_block(std::string_view name, std::span<const GrantTexts> allow,
                       std::span<const GrantTexts> deny) {
  toml::table role;
  if (!allow.empty()) role.insert("allow", array_of(allow));
  if (!deny.empty()) role.insert("deny", array_of(deny));
  // The library would put a name with an apostrophe between apostrophes.
  const bool is_bare = name.find_first_not_of(kBareKey) == name.npos && !name.empty();
  return "[role." + (is_bare ? std::string{name} : to_toml(name)) + "]\n" + written(role) + "\n";
}

}  // namespace mcgate::conf
