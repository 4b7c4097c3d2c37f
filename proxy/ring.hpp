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
  T& back() { return slots_[at(count_ - 1)]; }

  // The new last element: an object in whatever state an earlier use left it.
  T& push() {
    if (count_ == slots_.size()) grow();
    return slots_[at(count_++)];
  }
  void pop() {
    first_ = at(1);
    --count_;
  }

 private:
  // Where the element stands that is `offset` behind the first: there is a power of two of slots.
  std::size_t at(std::size_t offset) const { return (first_ + offset) & (slots_.size() - 1); }

  void grow() {
    std::vector<T> larger(slots_.empty() ? 16 : slots_.size() * 2);
    for (std::size_t i = 0; i < count_; ++i) larger[i] = std::move(slots_[at(i)]);
    slots_ = std::move(larger);
    first_ = 0;
  }

  std::vector<T> slots_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace mcgate::proxy
