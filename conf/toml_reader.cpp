// The one place that knows toml++: its exceptions end here, and its values become ours. Strings are moved,
// not copied, so that a verifier does not stay behind in the library's tree.
#include <toml++/toml.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "conf/document.hpp"

namespace mcgate::conf {
namespace {

Place place_of(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
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
  Value value{.place = place_of(node.source()), .data = Moment{}};
  if (auto* text = node.as_string()) {
    value.data = std::move(text->get());
  } else if (const auto* integer = node.as_integer()) {
    const bool octal = (integer->flags() & toml::value_flags::format_as_octal) != toml::value_flags::none;
    value.data = Integer{integer->get(), octal};
  } else if (const auto* number = node.as_floating_point()) {
    value.data = number->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.data = boolean->get();
  } else if (auto* array = node.as_array()) {
    value.data = take_array(*array);
  } else if (auto* table = node.as_table()) {
    value.data = take_table(*table);
  }
  return value;
}

}  // namespace

std::expected<Members, Problem> read_toml(std::string_view text, const std::string& file) {
  try {
    toml::table document = toml::parse(text);
    return take_table(document);
  } catch (const toml::parse_error& error) {
    return std::unexpected(
        Problem{file, place_of(error.source()), std::string{"not TOML: "}.append(error.description())});
  }
}

}  // namespace mcgate::conf
