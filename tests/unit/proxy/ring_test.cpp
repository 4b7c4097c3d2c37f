#include "proxy/ring.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <random>
#include <string>

#include "proxy/buffer.hpp"

using mcgate::proxy::Buffer;
using mcgate::proxy::InputBuffer;
using mcgate::proxy::Ring;

TEST_CASE("a ring is a queue, whatever the order of pushes and pops") {
  std::mt19937 random{7};
  Ring<int> ring;
  std::deque<int> model;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 100 < (step / 1000 % 2 == 0 ? 60 : 40)) {
      ring.push() = step;
      model.push_back(step);
    } else if (!model.empty()) {
      REQUIRE(ring.front() == model.front());
      ring.pop();
      model.pop_front();
    }
    REQUIRE(ring.size() == model.size());
    REQUIRE(ring.empty() == model.empty());
  }
}

TEST_CASE("a popped element's memory serves a later push") {
  Ring<std::string> ring;
  ring.push().assign(1000, 'x');
  ring.pop();
  for (int i = 0; i < 15; ++i) {
    ring.push().clear();
    ring.pop();
  }
  CHECK(ring.push().capacity() >= 1000);
}

TEST_CASE_TEMPLATE("a buffer keeps what was not consumed, whatever the sizes", Kind, Buffer, InputBuffer) {
  std::mt19937 random{11};
  Kind buffer;
  std::string model;
  for (int step = 0; step < 2'000; ++step) {
    const std::string bytes(random() % 5000, static_cast<char>('a' + step % 26));
    buffer.append(bytes);
    model += bytes;
    if (step % 3 == 0) buffer.expect(model.size() + random() % 5000);
    const std::size_t taken = random() % (model.size() + 1);
    buffer.consume(taken);
    model.erase(0, taken);
    REQUIRE(buffer.view() == model);
    buffer.release_if_empty(Buffer::kUsual);
    REQUIRE(buffer.size() == model.size());
  }
}
