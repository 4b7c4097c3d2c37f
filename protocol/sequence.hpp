// The number that we give a request, and that its reply has to bear: the opaque of a binary request, the O of
// a meta one. A link counts with it; that it is kept as it is written spares writing and reading it for each
// reply.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mcgate::protocol {

class Sequence {
 public:
  Sequence(std::uint32_t number = 0) : number_{number} { write(); }

  std::uint32_t number() const { return number_; }
  // As a meta flag: "O7".
  std::string_view flag() const { return {flag_.data(), size_}; }

  // The next; after the last comes 0.
  Sequence& operator++() {
    ++number_;
    char& last = flag_[size_ - 1U];
    if (last == '9' || number_ == 0) {
      write();
    } else {
      ++last;
    }
    return *this;
  }
  friend bool operator==(const Sequence& a, const Sequence& b) { return a.number_ == b.number_; }

 private:
  void write() {
    const char* const end = std::to_chars(flag_.data() + 1, flag_.data() + flag_.size(), number_).ptr;
    size_ = static_cast<std::uint8_t>(end - flag_.data());
  }

  std::uint32_t number_;
  std::uint8_t size_ = 0;
  std::array<char, 11> flag_{'O'};
};

}  // namespace mcgate::protocol
