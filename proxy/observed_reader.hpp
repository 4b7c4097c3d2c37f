// Reads back what GET /observed answered. It may be anybody's by now, and is to become a policy: whatever
// mcgate would not have written is refused. A pure function.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "proxy/observed.hpp"

namespace mcgate::proxy {

// What an answer comes to, in bytes, at most: a sketch that is full.
inline constexpr std::size_t kMaxObserved = 33'554'432;

// The error says what is wrong, and nothing in it comes raw from the text.
std::expected<Observed::Sketch, std::string> observed_from(std::string_view json);

}  // namespace mcgate::proxy
