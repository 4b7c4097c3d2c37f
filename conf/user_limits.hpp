// The limits of a user or a role, and what they come to. Part of reading a configuration; the control
// thread's.
#pragma once

#include <span>

#include "conf/config.hpp"
#include "conf/section_reader.hpp"

namespace mcgate::conf {

// `limits` and `on_denied_read` of the table that `reader` reads.
UserLimits read_user_limits(SectionReader& reader, Problems& problems);

// What holds for a user: each of its own limits and, where it has none, the strictest of its roles'.
UserLimits limits_of(const UserLimits& own, std::span<const Role* const> roles);

}  // namespace mcgate::conf
