// The key rule, alike in every dialect.
#pragma once

#include <cstddef>
#include <string_view>

namespace mcgate::protocol {

inline constexpr std::size_t kMaxKey = 250;

// No control, space or DEL: 0x21-0x7E and 0x80-0xFF.
constexpr bool valid_in_key(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte > 0x20) & (byte != 0x7f);
}

// 1 to `most` such bytes: 250, less where a namespace is put before the key.
constexpr bool valid_key(std::string_view key, std::size_t most = kMaxKey) {
  if (key.empty() || key.size() > most) return false;
  // On past the first that is not one, and in bytes: so the compiler looks at many at a time.
  unsigned char invalid = 0;
  for (const char c : key) invalid |= static_cast<unsigned char>(!valid_in_key(c));
  return invalid == 0;
}

}  // namespace mcgate::protocol
