#include "protocol/number.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>

using namespace mcgate::protocol;

TEST_CASE("numbers within their type's range") {
  CHECK(parse_number<std::uint32_t>("0") == 0U);
  CHECK(parse_number<std::uint32_t>("007") == 7U);
  CHECK(parse_number<std::uint32_t>("999999999") == 999'999'999U);
  CHECK(parse_number<std::uint32_t>("1000000000") == 1'000'000'000U);
  CHECK(parse_number<std::uint64_t>("9999999999999999999") == 9'999'999'999'999'999'999U);
  CHECK(parse_number<std::uint64_t>("10000000000000000000") == 10'000'000'000'000'000'000U);
  CHECK(parse_number<std::uint32_t>("4294967295") == 4294967295U);
  CHECK(parse_number<std::int32_t>("-1") == -1);
  CHECK(parse_number<std::int32_t>("-2147483648") == std::numeric_limits<std::int32_t>::min());
  CHECK(parse_number<std::int32_t>("2147483647") == std::numeric_limits<std::int32_t>::max());
  CHECK(parse_number<std::uint64_t>("18446744073709551615") == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("what memcached's strtol takes for a number and we don't") {
  for (const std::string_view row : {"",
                                     "-",
                                     "+",
                                     "+1",
                                     "-1",
                                     " 1",
                                     "1 ",
                                     "\t1",
                                     "1\t",
                                     "1\r",
                                     "0x10",
                                     "1e3",
                                     "1.0",
                                     "4294967296",
                                     "4294967299",
                                     "-4294967293",
                                     "18446744073709551616",
                                     "-18446744073709551615",
                                     "--1",
                                     "1-",
                                     "abc",
                                     "1a",
                                     "0000000000000000000000001"}) {
    CAPTURE(row);
    CHECK_FALSE(parse_number<std::uint32_t>(row));
  }
  for (const std::string_view row : {"-", "+1", "--1", "- 1", "2147483648", "-2147483649", "4294967296"}) {
    CAPTURE(row);
    CHECK_FALSE(parse_number<std::int32_t>(row));
  }
  CHECK_FALSE(parse_number<std::uint32_t>(std::string_view{"1\0", 2}));
}
