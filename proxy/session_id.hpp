// A session's number at its worker: what asynchronous work keeps of it. Once the session is gone, nothing
// has that number, even when its place is taken by another.
#pragma once

#include <cstdint>

namespace mcgate::proxy {

struct SessionId {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  friend bool operator==(const SessionId&, const SessionId&) = default;
};

}  // namespace mcgate::proxy
