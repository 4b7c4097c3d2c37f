// Bytes waiting to be parsed or sent: appended at the back, consumed from the front.
#pragma once

#include <openssl/crypto.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace mcgate::proxy {

class Buffer {
 public:
  std::string_view view() const { return std::string_view{bytes_}.substr(begin_); }
  std::size_t size() const { return bytes_.size() - begin_; }
  bool empty() const { return size() == 0; }

  // What composers append to.
  std::string& tail() { return bytes_; }
  void append(std::string_view bytes) { bytes_.append(bytes); }
  // Makes room for `total` bytes in all, so that a large value arrives without regrowth.
  void expect(std::size_t total) { bytes_.reserve(begin_ + total); }

  void consume(std::size_t count) {
    begin_ += count;
    if (begin_ == bytes_.size()) {
      bytes_.clear();
      begin_ = 0;
    } else if (begin_ > kCompactAt && begin_ > bytes_.size() / 2) {
      bytes_.erase(0, begin_);
      begin_ = 0;
    }
  }

  // The same for bytes that may hold a password: nothing of them stays behind.
  void consume_and_wipe(std::size_t count) {
    OPENSSL_cleanse(bytes_.data() + begin_, count);
    consume(count);
  }

  // Gives the memory back if nothing is held and it is more than `kept` bytes. Whoever will soon need some
  // again keeps what is usual, and gives back all when idle.
  static constexpr std::size_t kUsual = 16'384;
  void release_if_empty(std::size_t kept) {
    if (empty() && bytes_.capacity() > kept) std::string{}.swap(bytes_);
  }

 private:
  // Each time less is moved than was consumed before it, so that it costs little however low this is; what is
  // consumed is memory held for nothing.
  static constexpr std::size_t kCompactAt = 4096;

  std::string bytes_;
  std::size_t begin_ = 0;  // bytes before it are consumed
};

}  // namespace mcgate::proxy
