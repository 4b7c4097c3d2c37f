// How long items live: every place where a request says so, and keeping what it says within a bound. Pure,
// used from any thread.
#pragma once

#include <cstdint>

#include "protocol/request.hpp"

namespace mcgate::protocol {

struct TtlBound {
  std::int32_t seconds = 0;  // at most, from 1
  bool cap = true;           // what is longer becomes that; else it is refused
};

// Whether every time to live that the request gives an item is within the bound, or has been brought within
// it. An item that never expires lives for longer than any bound; one that is gone at once does not. `now` is
// in seconds since 1970: times beyond 30 days are dates.
bool keep_ttl(Request& request, TtlBound bound, std::int64_t now);

}  // namespace mcgate::protocol
