// Bytes put together in one go at the end of a string: room for all of them is made once, where appending
// piece by piece would look for room with each. Internal to protocol/; pure, used from any thread.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

namespace mcgate::protocol {

class Writer {
 public:
  // Has `write` put up to `most` bytes at the end of `out`.
  template <std::invocable<Writer&> Write>
  static void append(std::string& out, std::size_t most, Write write) {
    const std::size_t before = out.size();
    // libstdc++ 12 says how far the string has grown, which may be twice what was asked for.
    out.resize_and_overwrite(before + most, [&](char* bytes, std::size_t /*there*/) {
      Writer writer{bytes + before, bytes + before + most};
      write(writer);
      return writer.at_ - bytes;
    });
  }

  void put(std::string_view bytes) { bytes.copy(take(bytes.size()), bytes.size()); }
  void put(char byte) { *take(1) = byte; }
  template <std::integral T>
  void put_number(T number) {
    const auto [end, error] = std::to_chars(at_, end_, number);
    if (error != std::errc{}) std::abort();
    at_ = end;
  }
  // Where the next byte goes.
  const char* place() const { return at_; }
  // The place of the next `count` bytes, which the caller fills. More than was announced is a bug, and must
  // not be written all the same.
  char* take(std::size_t count) {
    if (count > static_cast<std::size_t>(end_ - at_)) std::abort();
    return std::exchange(at_, at_ + count);
  }

 private:
  Writer(char* at, char* end) : at_{at}, end_{end} {}

  char* at_;
  char* end_;
};

}  // namespace mcgate::protocol
