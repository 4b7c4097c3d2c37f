// Bytes waiting to be parsed or sent: appended at the back, consumed from the front. A session's input may be
// a part of a log-in: no password stays where its buffer had it before it moved, or when it dies.
#pragma once

#include <openssl/crypto.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace mcgate::proxy {

template <bool kOfSecrets>
class BasicBuffer {
 public:
  BasicBuffer() = default;
  BasicBuffer(const BasicBuffer&) = delete;
  BasicBuffer& operator=(const BasicBuffer&) = delete;
  BasicBuffer& operator=(BasicBuffer&&) noexcept
    requires(!kOfSecrets)
  = default;
  ~BasicBuffer() {
    if constexpr (kOfSecrets) OPENSSL_cleanse(bytes_.data() + begin_, size());
  }

  std::string_view view() const { return std::string_view{bytes_}.substr(begin_); }
  std::size_t size() const { return bytes_.size() - begin_; }
  bool empty() const { return size() == 0; }

  // What composers append to.
  std::string& tail()
    requires(!kOfSecrets)
  {
    return bytes_;
  }
  void append(std::string_view bytes) {
    if constexpr (kOfSecrets) {
      const std::size_t total = bytes_.size() + bytes.size();
      if (total > bytes_.capacity()) grow(total - begin_);
    }
    bytes_.append(bytes);
  }
  // Makes room for `total` bytes in all, so that a large value arrives without regrowth.
  void expect(std::size_t total) {
    if constexpr (kOfSecrets) {
      if (begin_ + total > bytes_.capacity()) grow(total);
    } else {
      bytes_.reserve(begin_ + total);
    }
  }

  void consume(std::size_t count) {
    begin_ += count;
    if (begin_ == bytes_.size()) {
      bytes_.clear();
      begin_ = 0;
    } else if (begin_ > kCompactAt && begin_ > bytes_.size() / 2) {
      compact();
    }
  }

  // The same for bytes that may hold a password: nothing of them stays behind.
  void consume_and_wipe(std::size_t count)
    requires kOfSecrets
  {
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

  void compact() {
    if constexpr (kOfSecrets) {
      // Less is left than was consumed: it does not overlap with its new place.
      const std::size_t left = size();
      std::copy_n(bytes_.data() + begin_, left, bytes_.data());
      OPENSSL_cleanse(bytes_.data() + begin_, left);
      bytes_.resize(left);
    } else {
      bytes_.erase(0, begin_);
    }
    begin_ = 0;
  }

  // To where `total` bytes have room. A string that grows by itself leaves a copy behind.
  void grow(std::size_t total) {
    std::string next;
    next.reserve(std::max(total, 2 * size()));
    next.append(view());
    OPENSSL_cleanse(bytes_.data() + begin_, size());
    bytes_ = std::move(next);
    begin_ = 0;
  }

  std::string bytes_;
  std::size_t begin_ = 0;  // bytes before it are consumed
};

using Buffer = BasicBuffer<false>;
using InputBuffer = BasicBuffer<true>;

}  // namespace mcgate::proxy
