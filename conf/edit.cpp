#include "conf/edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "conf/document.hpp"

namespace mcgate::conf {
namespace {

// A TOML basic string.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string lines_of(std::span<const std::string> secrets) {
  std::string lines;
  for (const auto& secret : secrets) lines += fmt::format("\n  {},", quoted(secret));
  return lines;
}

// Where a place is in the text; lines and code points are counted as the TOML reader counts them.
std::optional<std::size_t> offset_of(std::string_view text, Place place) {
  std::size_t at = 0;
  for (std::uint32_t line = 1; line < place.line; ++line) {
    at = text.find('\n', at);
    if (at == text.npos) return std::nullopt;
    ++at;
  }
  for (std::uint32_t column = 1; column < place.column; ++column) {
    if (at >= text.size()) return std::nullopt;
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
  }
  return at < text.size() ? std::optional{at} : std::nullopt;
}

// Just past the string that begins at `at`, in any of TOML's four forms.
std::size_t skip_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string tripled(3, quote);
  const bool multiline = text.substr(at).starts_with(tripled);
  const std::string_view end = multiline ? std::string_view{tripled} : text.substr(at, 1);
  at += end.size();
  while (at < text.size() && !text.substr(at).starts_with(end))
    at += quote == '"' && text[at] == '\\' ? 2 : 1;
  at += end.size();
  // Up to two quotes more may stand right before the closing three.
  while (multiline && at < text.size() && text[at] == quote) ++at;
  return std::min(at, text.size());
}

// Just past the array or inline table that begins at `at`.
std::optional<std::size_t> skip_brackets(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at < text.size()) {
    switch (text[at]) {
      case '#':
        at = std::min(text.find('\n', at), text.size());
        continue;
      case '"':
      case '\'':
        at = skip_string(text, at);
        continue;
      case '[':
      case '{':
        ++depth;
        break;
      case ']':
      case '}':
        if (--depth == 0) return at + 1;
        break;
      default:
        break;
    }
    ++at;
  }
  return std::nullopt;
}

// Where an item of an array is, with the comma and the white space behind it.
std::optional<std::pair<std::size_t, std::size_t>> item_span(std::string_view text, Place place) {
  const auto begin = offset_of(text, place);
  if (!begin || !std::string_view{"{\"'"}.contains(text[*begin])) return std::nullopt;
  const bool is_table = text[*begin] == '{';
  auto end = is_table ? skip_brackets(text, *begin) : std::optional{skip_string(text, *begin)};
  if (!end) return std::nullopt;
  const auto skip_space = [&] { *end = std::min(text.find_first_not_of(" \t", *end), text.size()); };
  skip_space();
  if (*end < text.size() && text[*end] == ',') ++*end;
  skip_space();
  return std::pair{*begin, *end};
}

const Member* member(const Members& table, std::string_view key) {
  const auto found = std::ranges::find(table, key, &Member::key);
  return found == table.end() ? nullptr : &*found;
}

const Members* user_named(const Members& document, std::string_view name) {
  const Member* users = member(document, "user");
  const auto* array = users != nullptr ? std::get_if<Array>(&users->value.data) : nullptr;
  if (array == nullptr) return nullptr;
  for (const Value& value : *array) {
    const auto* table = std::get_if<Members>(&value.data);
    const Member* its_name = table != nullptr ? member(*table, "name") : nullptr;
    const auto* text = its_name != nullptr ? std::get_if<std::string>(&its_name->value.data) : nullptr;
    if (text != nullptr && *text == name) return table;
  }
  return nullptr;
}

}  // namespace

std::string user_block(std::string_view name, std::span<const std::string> secrets,
                       std::span<const std::string> roles) {
  std::string names;
  for (const auto& role : roles) names += (names.empty() ? "" : ", ") + quoted(role);
  return fmt::format("[[user]]\nname = {}\nsecrets = [{}\n]\nroles = [{}]\n", quoted(name), lines_of(secrets),
                     names);
}

std::string with_user(std::string_view text, std::string_view block) {
  std::string out;
  out.reserve(text.size() + block.size() + 2);  // at once: a string that grows leaves copies behind
  out += text;
  if (!out.empty() && !out.ends_with('\n')) out += '\n';
  if (!out.empty()) out += '\n';
  return out += block;
}

std::expected<std::string, std::string> with_secrets(std::string_view text, std::string_view user,
                                                     std::span<const std::string> secrets, bool keep) {
  const auto document = read_toml(text, "");
  if (!document) return std::unexpected(format(document.error()));
  const Members* table = user_named(*document, user);
  if (table == nullptr) return std::unexpected(fmt::format("no user has the name {}", quoted(user)));

  const std::string lines = lines_of(secrets);
  std::string out;
  out.reserve(text.size() + lines.size() + 32);  // at once: a string that grows leaves copies behind
  out += text;
  const Member* present = member(*table, "secrets");
  if (present == nullptr) {
    const auto name_at = offset_of(text, member(*table, "name")->place);
    if (!name_at)
      return std::unexpected("the user's name was not found in the file: add `secrets = []` to the user");
    return out.insert(*name_at, fmt::format("secrets = [{}\n]\n", lines));
  }
  const auto begin = offset_of(text, present->value.place);
  // [[user.secrets]] is an array too, but in pieces.
  const bool in_one_piece = begin && text[*begin] == '[' && !text.substr(*begin).starts_with("[[");
  const auto end = in_one_piece ? skip_brackets(text, *begin) : std::nullopt;
  if (!end)
    return std::unexpected("the user's secrets were not found in the file: write them as `secrets = []`");
  if (keep) return out.insert(*begin + 1, lines);
  return out.replace(*begin, *end - *begin, fmt::format("[{}\n]", lines));
}

std::expected<std::string, std::string> without_secrets(std::string_view text, std::string_view user,
                                                        std::span<const std::size_t> numbers) {
  const auto document = read_toml(text, "");
  if (!document) return std::unexpected(format(document.error()));
  const Members* table = user_named(*document, user);
  if (table == nullptr) return std::unexpected(fmt::format("no user has the name {}", quoted(user)));
  const Member* present = member(*table, "secrets");
  const auto* items = present != nullptr ? std::get_if<Array>(&present->value.data) : nullptr;
  std::string out{text};
  // From the last to the first, so that the places of those before stay true.
  for (std::size_t number = items != nullptr ? items->size() : 0; number-- > 0;) {
    if (std::ranges::find(numbers, number) == numbers.end()) continue;
    const auto span = item_span(out, (*items)[number].place);
    if (!span)
      return std::unexpected("the user's secrets were not found in the file: write them as `secrets = []`");
    out.erase(span->first, span->second - span->first);
  }
  return out;
}

}  // namespace mcgate::conf
