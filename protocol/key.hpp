// The key rule, alike in every dialect.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace mcgate::protocol {

inline constexpr std::size_t kMaxKey = 250;

// No control, space or DEL: 0x21-0x7E and 0x80-0xFF.
constexpr bool valid_in_key(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte != 0x7f;
}

// 1 to `most` such bytes: 250, less where a namespace is put before the key.
constexpr bool valid_key(std::string_view key, std::size_t most = kMaxKey) {
  return !key.empty() && key.size() <= most && std::all_of(key.begin(), key.end(), valid_in_key);
}

}  // namespace mcgate::protocol
