#include "tests/bench/loadgen/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace mcgate::bench {
namespace {

constexpr char kBetween = '|';

}  // namespace

void Keys::write_key(std::uint32_t index, std::string& out) const {
  fmt::format_to(std::back_inserter(out), "bench:{}:{:08}", value_size_, index);
}

void Keys::write_value(std::string_view key, std::string& out) const {
  const std::size_t end = out.size() + value_size_;
  while (out.size() < end) {
    out += key;
    out += kBetween;
  }
  out.resize(end);
}

bool Keys::is_value_of(std::string_view key, std::string_view value) const {
  if (value.size() != value_size_) return false;
  const std::size_t period = key.size() + 1;
  if (value.size() <= period) return key.starts_with(value.substr(0, key.size()));
  // One period is right, and each byte equals the one a period before it.
  return value.starts_with(key) && value[key.size()] == kBetween &&
         value.substr(period) == value.substr(0, value.size() - period);
}

}  // namespace mcgate::bench
