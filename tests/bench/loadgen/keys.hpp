// The keys, and the one value each of them has: its own name over and over. So any value can be checked
// without keeping it, a set never changes what a get must find, and no two keys have equal values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mcgate::bench {

class Keys {
 public:
  explicit Keys(std::size_t value_size) : value_size_{value_size} {}

  // Values of different sizes have different keys, so that many loads may share a memcached.
  void write_key(std::uint32_t index, std::string& out) const;
  void write_value(std::string_view key, std::string& out) const;

  bool is_value_of(std::string_view key, std::string_view value) const;

 private:
  std::size_t value_size_;
};

}  // namespace mcgate::bench
