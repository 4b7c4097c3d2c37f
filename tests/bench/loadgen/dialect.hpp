// Requests and replies as the load generator needs them: pure functions, and on purpose not those of
// protocol/, whose faults they would share. Keys and values are the load generator's own, so nothing is
// checked here.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tests/bench/loadgen/options.hpp"

namespace mcgate::bench {

// A piece of a reply. The views are into the bytes it was read from.
struct Item {
  enum class Kind {
    Value,   // key and data
    Miss,    // of a get of one key; text has none, only an End without a Value
    End,     // of a text get, or of several keys
    Stored,  // a set or a log-in went well
    Error,   // data is what was said
  };
  Kind kind;
  std::string_view key;
  std::string_view data;
  std::size_t size;  // bytes it takes of the input
};

// The item at the start of `in`; nothing if it has not arrived whole.
std::optional<Item> next_item(Dialect dialect, std::string_view in);

// Whether a get of so many keys is answered by Values and an End, not by one Value or Miss.
bool has_end(Dialect dialect, std::size_t keys);

void write_get(Dialect dialect, std::span<const std::string> keys, std::string& out);
void write_set(Dialect dialect, std::string_view key, std::string_view value, std::string& out);
void write_login(Login login, std::string_view user, std::string_view password, std::string& out);

}  // namespace mcgate::bench
