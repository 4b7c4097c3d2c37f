// A queue that keeps its elements' memory: popped objects are reused by later pushes, so that their strings
// keep their capacity and a steady stream allocates nothing.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace mcgate::proxy {

template <typename T>
class Ring {
 public:
  bool empty() const { return count_ == 0; }
  std::size_t size() const { return count_; }
  T& front() { return slots_[first_]; }
  T& back() { return slots_[(first_ + count_ - 1) % slots_.size()]; }

  // The new last element: an object in whatever state an earlier use left it.
  T& push() {
    if (count_ == slots_.size()) grow();
    return slots_[(first_ + count_++) % slots_.size()];
  }
  void pop() {
    first_ = (first_ + 1) % slots_.size();
    --count_;
  }

 private:
  void grow() {
    std::vector<T> larger(slots_.empty() ? 16 : slots_.size() * 2);
    for (std::size_t i = 0; i < count_; ++i) larger[i] = std::move(slots_[(first_ + i) % slots_.size()]);
    slots_ = std::move(larger);
    first_ = 0;
  }

  std::vector<T> slots_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace mcgate::proxy
