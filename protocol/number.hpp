// Numbers of the text protocol, read strictly: where memcached takes signs, blanks and wraps around, we
// take decimal digits within the type's range and nothing else.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <string_view>

namespace mcgate::protocol {

// All of `text` as a decimal number of type T; a leading '-' only where T is signed; no '+', no blanks, at
// most 21 characters. Out of range is nothing.
template <std::integral T>
constexpr std::optional<T> parse_number(std::string_view text) {
  T value{};
  // So many digits are within the range whatever they are, as hardly any number's are not.
  constexpr std::size_t kSafeDigits = std::numeric_limits<T>::digits10;
  if (!text.empty() && text.size() <= kSafeDigits && text.front() != '-') {
    for (const char c : text) {
      if (c < '0' || c > '9') return std::nullopt;
      value = static_cast<T>(value * 10 + static_cast<T>(c - '0'));
    }
    return value;
  }
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || text.empty() || text.size() > 21) return std::nullopt;
  return value;
}

// The digits at the start of `text` as a number of type T, which they are taken off. No sign; out of range is
// nothing.
template <std::unsigned_integral T>
constexpr std::optional<T> take_number(std::string_view& text) {
  T value{};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  return value;
}

}  // namespace mcgate::protocol
