#include "protocol/key.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace mcgate::protocol;

TEST_CASE("each byte as a key and inside one") {
  for (int byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    const char c = static_cast<char>(byte);
    const bool good = byte > 0x20 && byte != 0x7f;
    CHECK(valid_key(std::string(1, c)) == good);
    CHECK(valid_key(std::string{'a', c, 'b'}) == good);
    CHECK(valid_key(std::string{'a', c}) == good);
  }
}

TEST_CASE("keys are 1 to 250 bytes") {
  CHECK_FALSE(valid_key(""));
  CHECK(valid_key(std::string(250, 'k')));
  CHECK_FALSE(valid_key(std::string(251, 'k')));
}
