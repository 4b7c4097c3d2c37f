// A configuration file as written: values with their places, not yet judged. Made by the TOML reader, the
// only file that knows the library behind it; taken apart by SectionReader. Lives as long as one parse().
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "conf/config.hpp"

namespace mcgate::conf {

struct Value;
struct Member;
using Array = std::vector<Value>;
using Members = std::vector<Member>;  // a table, in the order of the file

// An integer, and whether it was written in octal (0o660).
struct Integer {
  std::int64_t number = 0;
  bool octal = false;
};
// A date and time with its offset from UTC. Other dates and times, of which nobody can say when they are,
// have none.
struct Moment {
  std::optional<std::chrono::sys_seconds> utc;
};

struct Value {
  Place place;
  std::variant<std::string, Integer, double, bool, Moment, Array, Members> data;
};

struct Member {
  std::string key;
  Place place;  // of the key
  Value value;
};

// The file's top table. What is not TOML is one problem: the parser does not read on after it.
std::expected<Members, Problem> read_toml(std::string_view text, const std::string& file);

}  // namespace mcgate::conf
