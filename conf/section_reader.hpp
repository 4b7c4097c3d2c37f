// Reads one table of a configuration file by the rows that the table of keys has for it: what is missing,
// unknown, of a wrong type or out of range is reported, with its place, and leaves the default standing.
// Lives within one parse(); texts are moved out of the document, so each key is asked for once.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "conf/config.hpp"
#include "conf/document.hpp"
#include "conf/keys.hpp"

namespace mcgate::conf {

// The problems found so far.
class Problems {
 public:
  explicit Problems(std::string file) : file_{std::move(file)} {}

  // By which those of its places are known.
  void set_users_file(std::string file) { users_file_ = std::move(file); }
  void add(Place place, std::string message) {
    found_.push_back({place.in_users_file ? users_file_ : file_, place, std::move(message)});
  }
  bool empty() const { return found_.empty(); }
  // All of them, in the files' order.
  std::vector<Problem> take();

 private:
  std::string file_;
  std::string users_file_;
  std::vector<Problem> found_;
};

struct PlacedTable {
  Place place;
  Members* table;
};

class SectionReader {
 public:
  // Reports the unknown keys at once.
  SectionReader(PlacedTable table, Section section, Problems& problems);

  Place place() const { return place_; }
  // Where the key stands; the section's own place if it doesn't.
  Place place_of(std::string_view name) const;
  bool has(std::string_view name) const;
  // Of a key that may be a text or tables.
  bool is_array(std::string_view name) const;

  // These leave `out` alone where the key is left out or wrong.
  template <std::unsigned_integral T>
  void integer(std::string_view name, T& out) {
    if (const auto number = checked_integer(name)) out = static_cast<T>(*number);
  }
  void seconds(std::string_view name, std::chrono::milliseconds& out);
  void boolean(std::string_view name, bool& out);
  void moment(std::string_view name, std::optional<std::chrono::sys_seconds>& out);
  void mode(std::string_view name, std::uint32_t& out);
  template <typename T>
  void choice(std::string_view name, T& out, std::initializer_list<std::pair<std::string_view, T>> choices) {
    const auto chosen = text(name);
    if (!chosen) return;
    std::string known;
    for (const auto& [word, value] : choices) {
      if (word == chosen->text) {
        out = value;
        return;
      }
      known.append(known.empty() ? "" : ", ").append(1, '"').append(word).append(1, '"');
    }
    report_choice(name, *chosen, known);
  }

  // These are empty where the key is left out or wrong; of an array, the items that are right are there.
  std::optional<PlacedText> text(std::string_view name);
  std::vector<PlacedText> texts(std::string_view name);
  std::vector<std::variant<PlacedText, PlacedTable>> texts_or_tables(std::string_view name);
  std::optional<PlacedTable> table(std::string_view name);
  std::vector<PlacedTable> tables(std::string_view name);

 private:
  Member* find(std::string_view name);
  Array* checked_array(std::string_view name);
  const KeyRow& row(std::string_view name) const;
  std::optional<std::int64_t> checked_integer(std::string_view name);
  void report(std::string_view name, Place place, std::string_view actual);
  void report_choice(std::string_view name, const PlacedText& chosen, std::string_view known);
  void report_unknown(const Member& member);

  Members& table_;
  Place place_;
  Section section_;
  Problems& problems_;
};

// " (did you mean "address"?)" if one of the names is close to what was written, else nothing.
std::string suggestion(std::string_view written, const std::vector<std::string_view>& names);

}  // namespace mcgate::conf
