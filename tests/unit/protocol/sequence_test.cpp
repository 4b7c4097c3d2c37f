#include "protocol/sequence.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

namespace mcgate::protocol {
namespace {

TEST_CASE("a sequence counts, and is written as it counts") {
  struct Row {
    std::uint32_t from;
    std::string next;
  };
  const Row rows[] = {{0, "O1"},
                      {8, "O9"},
                      {9, "O10"},
                      {10, "O11"},
                      {99, "O100"},
                      {108, "O109"},
                      {4294967294, "O4294967295"},
                      {4294967295, "O0"}};
  for (const Row& row : rows) {
    CAPTURE(row.from);
    Sequence sequence{row.from};
    CHECK(sequence.flag() == "O" + std::to_string(row.from));
    ++sequence;
    CHECK(sequence.flag() == row.next);
    CHECK(sequence.number() == row.from + 1);
    CHECK(sequence == Sequence{row.from + 1});
  }
}

}  // namespace
}  // namespace mcgate::protocol
