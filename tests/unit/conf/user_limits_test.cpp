// What a user's own limits and those of its roles come to.
#include "conf/user_limits.hpp"

#include <doctest/doctest.h>

#include <array>

namespace mcgate::conf {
namespace {

const UserLimits kStrict{.value_bytes = 1,
                         .keys_per_request = 1,
                         .connections = 1,
                         .ttl_seconds = 1,
                         .on_long_ttl = LongTtl::Refuse,
                         .requests = Rate{1, 9},
                         .bytes = Rate{9, 1},
                         .on_denied_read = DeniedRead::Error};
const UserLimits kLax{.value_bytes = 2,
                      .keys_per_request = 2,
                      .connections = 2,
                      .ttl_seconds = 2,
                      .on_long_ttl = LongTtl::Cap,
                      .requests = Rate{2, 8},
                      .bytes = Rate{8, 2},
                      .on_denied_read = DeniedRead::Miss};

Role role_with(const UserLimits& limits) {
  Role role;
  role.limits = limits;
  return role;
}

TEST_CASE("of roles' limits the strictest hold, each by itself") {
  const Role strict = role_with(kStrict);
  const Role lax = role_with(kLax);
  const Role none = role_with({});
  const std::array<std::array<const Role*, 3>, 2> orders{{{&strict, &lax, &none}, {&none, &lax, &strict}}};
  for (const auto& roles : orders) {
    UserLimits expected = kStrict;
    expected.requests = Rate{1, 8};
    expected.bytes = Rate{8, 1};
    CHECK(limits_of({}, roles) == expected);
  }
}

TEST_CASE("a user's own limits hold whatever its roles say, and what it does not say is theirs") {
  const Role strict = role_with(kStrict);
  const std::array<const Role*, 1> roles{&strict};
  CHECK(limits_of(kLax, roles) == kLax);
  UserLimits expected = kStrict;
  expected.connections = 7;
  UserLimits own;
  own.connections = 7;
  CHECK(limits_of(own, roles) == expected);
  CHECK(limits_of({}, {}) == UserLimits{});
}

}  // namespace
}  // namespace mcgate::conf
