#include "conf/section_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <numeric>
#include <tuple>

namespace mcgate::conf {
namespace {

std::string_view kind(const Value& value) {
  struct Kinds {
    std::string_view operator()(const std::string&) const { return "a string"; }
    std::string_view operator()(const Integer&) const { return "an integer"; }
    std::string_view operator()(double) const { return "a decimal"; }
    std::string_view operator()(bool) const { return "a boolean"; }
    std::string_view operator()(Moment) const { return "a date or time"; }
    std::string_view operator()(const Array&) const { return "an array"; }
    std::string_view operator()(const Members&) const { return "a table"; }
  };
  return std::visit(Kinds{}, value.data);
}

double in_seconds(std::int64_t milliseconds) {
  return static_cast<double>(milliseconds) / 1000;
}

std::string expected(const KeyRow& row) {
  switch (row.type) {
    case Type::Boolean:
      return "true or false";
    case Type::Integer:
      return fmt::format("an integer from {} to {}", row.least, row.most);
    case Type::Seconds:
      return fmt::format("a number of seconds from {} to {}", in_seconds(row.least), in_seconds(row.most));
    case Type::Mode:
      return "permissions in octal, \"0660\" or 0o660";
    case Type::Text:
      return fmt::format("a string of {} to {} bytes", row.least, row.most);
    case Type::Moment:
      return "a date and time with its offset, as 2027-01-01T00:00:00Z";
    case Type::TextsOrTables:
      return fmt::format("an array of {} to {} strings or tables", row.least, row.most);
    case Type::Texts:
      return fmt::format("an array of {} to {} strings", row.least, row.most);
    case Type::Table:
      return "a table";
    case Type::Tables:
      return fmt::format("an array of {} to {} tables", row.least, row.most);
    case Type::TextOrTables:
      return fmt::format("a string of {} to {} bytes or an array of as many tables", row.least, row.most);
  }
  return {};
}

// How many characters must be changed, added or left out to make one of the other (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> costs(b.size() + 1);
  std::iota(costs.begin(), costs.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = costs[0];
    costs[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = costs[j + 1];
      costs[j + 1] = std::min({changed, costs[j] + 1, costs[j + 1] + 1});
    }
  }
  return costs.back();
}

}  // namespace

std::string suggestion(std::string_view written, const std::vector<std::string_view>& names) {
  constexpr std::size_t kLongest = 64;  // nothing longer is a misspelling, and the work stays small
  if (written.size() > kLongest || names.empty()) return {};
  const auto nearest =
      std::ranges::min_element(names, {}, [&](auto name) { return distance(written, name); });
  if (distance(written, *nearest) > std::max<std::size_t>(1, nearest->size() / 3)) return {};
  return fmt::format(" (did you mean \"{}\"?)", *nearest);
}

std::vector<Problem> Problems::take() {
  std::ranges::sort(found_, {}, [](const Problem& problem) {
    return std::tuple{problem.place, std::string_view{problem.message}};
  });
  return std::move(found_);
}

SectionReader::SectionReader(PlacedTable table, Section section, Problems& problems)
    : table_{*table.table}, place_{table.place}, section_{section}, problems_{problems} {
  for (const Member& member : table_) {
    if (find_key(section_, member.key) == nullptr) report_unknown(member);
  }
}

Place SectionReader::place_of(std::string_view name) const {
  const auto found = std::ranges::find(table_, name, &Member::key);
  return found == table_.end() ? place_ : found->value.place;
}

bool SectionReader::has(std::string_view name) const {
  return std::ranges::find(table_, name, &Member::key) != table_.end();
}

bool SectionReader::is_array(std::string_view name) const {
  const auto found = std::ranges::find(table_, name, &Member::key);
  return found != table_.end() && std::holds_alternative<Array>(found->value.data);
}

void SectionReader::seconds(std::string_view name, std::chrono::milliseconds& out) {
  const Member* member = find(name);
  if (member == nullptr) return;
  double number = 0;
  if (const auto* integer = std::get_if<Integer>(&member->value.data)) {
    number = static_cast<double>(integer->number);
  } else if (const auto* decimal = std::get_if<double>(&member->value.data)) {
    number = *decimal;
  } else {
    report(name, member->value.place, kind(member->value));
    return;
  }
  // Rounded before it is judged, so that what is kept is in range; a NaN compares false.
  const double milliseconds = std::round(number * 1000);
  const KeyRow& limits = row(name);
  if (milliseconds >= static_cast<double>(limits.least) && milliseconds <= static_cast<double>(limits.most)) {
    out = std::chrono::milliseconds{static_cast<std::int64_t>(milliseconds)};
  } else {
    report(name, member->value.place, fmt::format("{}", number));
  }
}

void SectionReader::boolean(std::string_view name, bool& out) {
  const Member* member = find(name);
  if (member == nullptr) return;
  if (const bool* value = std::get_if<bool>(&member->value.data)) {
    out = *value;
  } else {
    report(name, member->value.place, kind(member->value));
  }
}

void SectionReader::moment(std::string_view name, std::optional<std::chrono::sys_seconds>& out) {
  const Member* member = find(name);
  if (member == nullptr) return;
  const auto* value = std::get_if<Moment>(&member->value.data);
  if (value != nullptr && value->utc) {
    out = value->utc;
  } else {
    report(name, member->value.place, value != nullptr ? "one without" : kind(member->value));
  }
}

void SectionReader::mode(std::string_view name, std::uint32_t& out) {
  const Member* member = find(name);
  if (member == nullptr) return;
  std::int64_t number = -1;
  std::string actual{kind(member->value)};
  if (const auto* integer = std::get_if<Integer>(&member->value.data)) {
    // 660 would be another mode than 0o660: never guess which was meant.
    if (integer->octal) number = integer->number;
    actual = fmt::format(fmt::runtime(integer->octal ? "0o{:o}" : "the decimal {}"), integer->number);
  } else if (const auto* text = std::get_if<std::string>(&member->value.data)) {
    const char* end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, number, 8);
    if (error != std::errc{} || stop != end) number = -1;
    actual = fmt::format("{:?}", std::string_view{*text}.substr(0, 32));
  }
  const KeyRow& limits = row(name);
  if (number >= limits.least && number <= limits.most) {
    out = static_cast<std::uint32_t>(number);
  } else {
    report(name, member->value.place, actual);
  }
}

std::optional<PlacedText> SectionReader::text(std::string_view name) {
  Member* member = find(name);
  if (member == nullptr) return std::nullopt;
  auto* text = std::get_if<std::string>(&member->value.data);
  if (text == nullptr) {
    report(name, member->value.place, kind(member->value));
    return std::nullopt;
  }
  const KeyRow& limits = row(name);
  const auto size = static_cast<std::int64_t>(text->size());
  if (size < limits.least || size > limits.most) {
    report(name, member->value.place, fmt::format("of {}", size));
    return std::nullopt;
  }
  if (text->find('\0') != std::string::npos) {
    report(name, member->value.place, "one that holds a NUL");
    return std::nullopt;
  }
  return PlacedText{member->value.place, std::move(*text)};
}

std::vector<PlacedText> SectionReader::texts(std::string_view name) {
  Array* items = checked_array(name);
  if (items == nullptr) return {};
  std::vector<PlacedText> found;
  found.reserve(items->size());
  for (Value& item : *items) {
    if (auto* text = std::get_if<std::string>(&item.data)) {
      found.push_back({item.place, std::move(*text)});
    } else {
      problems_.add(item.place, fmt::format("{} holds strings only, not {}", name, kind(item)));
    }
  }
  return found;
}

std::vector<std::variant<PlacedText, PlacedTable>> SectionReader::texts_or_tables(std::string_view name) {
  Array* items = checked_array(name);
  if (items == nullptr) return {};
  std::vector<std::variant<PlacedText, PlacedTable>> found;
  found.reserve(items->size());
  for (Value& item : *items) {
    if (auto* text = std::get_if<std::string>(&item.data)) {
      found.emplace_back(PlacedText{item.place, std::move(*text)});
    } else if (auto* inner = std::get_if<Members>(&item.data)) {
      found.emplace_back(PlacedTable{item.place, inner});
    } else {
      problems_.add(item.place, fmt::format("{} holds strings and tables only, not {}", name, kind(item)));
    }
  }
  return found;
}

std::optional<PlacedTable> SectionReader::table(std::string_view name) {
  Member* member = find(name);
  if (member == nullptr) return std::nullopt;
  if (auto* found = std::get_if<Members>(&member->value.data)) return PlacedTable{member->value.place, found};
  report(name, member->value.place, kind(member->value));
  return std::nullopt;
}

std::vector<PlacedTable> SectionReader::tables(std::string_view name) {
  Array* items = checked_array(name);
  if (items == nullptr) return {};
  std::vector<PlacedTable> found;
  found.reserve(items->size());
  for (Value& item : *items) {
    if (auto* inner = std::get_if<Members>(&item.data)) {
      found.push_back({item.place, inner});
    } else {
      problems_.add(item.place, fmt::format("{} holds tables only, not {}", name, kind(item)));
    }
  }
  return found;
}

Member* SectionReader::find(std::string_view name) {
  const auto found = std::ranges::find(table_, name, &Member::key);
  if (found != table_.end()) return &*found;
  const KeyRow& wanted = row(name);
  if (wanted.fallback.empty()) {
    problems_.add(place_, fmt::format("{} needs {}: {}", title(section_), name, wanted.help));
  }
  return nullptr;
}

Array* SectionReader::checked_array(std::string_view name) {
  Member* member = find(name);
  if (member == nullptr) return nullptr;
  auto* items = std::get_if<Array>(&member->value.data);
  const KeyRow& limits = row(name);
  const auto size = items == nullptr ? -1 : static_cast<std::int64_t>(items->size());
  if (size >= limits.least && size <= limits.most) return items;
  report(name, member->value.place,
         items == nullptr ? std::string{kind(member->value)} : fmt::format("of {}", size));
  return nullptr;
}

const KeyRow& SectionReader::row(std::string_view name) const {
  const KeyRow* found = find_key(section_, name);
  assert(found != nullptr && "a key that is read has a row");
  return *found;
}

std::optional<std::int64_t> SectionReader::checked_integer(std::string_view name) {
  const Member* member = find(name);
  if (member == nullptr) return std::nullopt;
  const auto* integer = std::get_if<Integer>(&member->value.data);
  if (integer == nullptr) {
    report(name, member->value.place, kind(member->value));
    return std::nullopt;
  }
  const KeyRow& limits = row(name);
  if (integer->number >= limits.least && integer->number <= limits.most) return integer->number;
  report(name, member->value.place, fmt::format("{}", integer->number));
  return std::nullopt;
}

void SectionReader::report(std::string_view name, Place place, std::string_view actual) {
  problems_.add(place, fmt::format("{} must be {}, not {}", name, expected(row(name)), actual));
}

void SectionReader::report_choice(std::string_view name, const PlacedText& chosen, std::string_view known) {
  problems_.add(chosen.place, fmt::format("{} must be one of {}, not {:?}", name, known, chosen.text));
}

void SectionReader::report_unknown(const Member& member) {
  std::vector<std::string_view> known;
  for (const KeyRow& key : all_keys()) {
    if (key.section == section_) known.push_back(key.name);
  }
  std::string hint = suggestion(member.key, known);
  if (hint.empty()) hint = fmt::format("; known are {}", fmt::join(known, ", "));
  problems_.add(member.place, fmt::format("unknown key {:?} in {}{}",
                                          std::string_view{member.key}.substr(0, 64), title(section_), hint));
}

}  // namespace mcgate::conf
