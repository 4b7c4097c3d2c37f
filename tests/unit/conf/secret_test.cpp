#include "conf/secret.hpp"

#include <doctest/doctest.h>

#include <concepts>
#include <ostream>
#include <string>
#include <utility>

using mcgate::conf::Secret;

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };
static_assert(!Printable<Secret>);
static_assert(!std::convertible_to<Secret, std::string> && !std::convertible_to<Secret, std::string_view>);

// NOLINTBEGIN(bugprone-use-after-move): what is left behind is the point
TEST_CASE("a secret takes its bytes over and leaves none behind") {
  for (const std::string& bytes : {std::string{"short"}, std::string(100, 'x')}) {
    CAPTURE(bytes);
    std::string source = bytes;
    Secret first{std::move(source)};
    CHECK(source.empty());
    CHECK(first.reveal() == bytes);
    Secret second{std::move(first)};
    CHECK(first.empty());
    CHECK(second.reveal() == bytes);
    first = std::move(second);
    CHECK(second.empty());
    CHECK(first.reveal() == bytes);
    Secret& self = first;
    first = self;
    first = std::move(self);
    CHECK(first.reveal() == bytes);
  }
}
// NOLINTEND(bugprone-use-after-move)

TEST_CASE("secrets are equal if all their bytes are") {
  const std::string_view with_nul{"a\0b", 3};
  CHECK(Secret{with_nul} == Secret{with_nul});
  CHECK_FALSE(Secret{with_nul} == Secret{std::string_view{"a\0c", 3}});
  CHECK_FALSE(Secret{with_nul} == Secret{std::string_view{"a"}});
  CHECK(Secret{} == Secret{std::string_view{}});
}
