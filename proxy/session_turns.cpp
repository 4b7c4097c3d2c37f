// What one session may take of what all share: of a turn of its worker, and of a link to memcached. Whoever
// asks for more than that goes on when others have had theirs.
#include <algorithm>
#include <utility>

#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {
namespace {

// Requests of one turn.
constexpr std::uint32_t kRequestsPerTurn = 128;
// Keys in flight, of small values: memcached takes a tenth of a millisecond for as many.
constexpr std::size_t kFairKeys = 128;
// Bytes in flight, as far as its values' sizes are known from those before.
constexpr std::size_t kFairBytes = 1'048'576;
// Values up to here count by their number alone, unless larger ones have come of late.
constexpr std::size_t kLightBytes = kFairBytes / kFairKeys;
// Below this they no longer have: well below, as a get's END weighs as well as its value.
constexpr std::size_t kForgottenBytes = kLightBytes / 2;

}  // namespace

std::size_t Session::window() const {
  const std::size_t fair =
      heavy_bytes_ == 0 ? kFairKeys : std::clamp<std::size_t>(kFairBytes / heavy_bytes_, 1, kFairKeys);
  return std::min(fair, worker_.snapshot().keys_in_flight);
}

void Session::weigh(std::size_t bytes) {
  if (bytes <= kLightBytes && heavy_bytes_ == 0) return;
  const std::size_t before = heavy_bytes_ - heavy_bytes_ / 8;  // what is long ago counts less
  heavy_bytes_ = static_cast<std::uint32_t>(std::min(std::max(bytes, before), kFairBytes));
  if (heavy_bytes_ <= kForgottenBytes) heavy_bytes_ = 0;
}

Link& Session::link() {
  const protocol::Dialect dialect = protocol_.value_or(protocol::Dialect::Text);
  if (on_large_link_) {
    Link& large = worker_.link_for_large_values(dialect);
    if (large.ready()) return large;
    on_large_link_ = false;  // nothing is in flight on a link that is down
  }
  return worker_.link_for(id_, dialect);
}

Link* Session::next_link(std::size_t value_bytes) {
  const bool heavy = heavy_bytes_ != 0 || value_bytes > kLightBytes;
  const bool large =
      heavy && worker_.link_for_large_values(protocol_.value_or(protocol::Dialect::Text)).ready();
  if (large != on_large_link_) {
    if (queue_.in_flight() != 0 || awaits_link_) return nullptr;
    on_large_link_ = large;
  }
  return &link();
}

void Session::await(Link& link) {
  if (std::exchange(awaits_link_, true)) return;
  reached(Bound::LinkOutput);
  link.wake_when_clear(id_);
}

void Session::on_link_clear() {
  awaits_link_ = false;
  flush();
}

bool Session::has_had_its_turn() {
  if (turn_ != worker_.turn()) {
    turn_ = worker_.turn();
    served_ = 0;
  }
  if (served_ < kRequestsPerTurn) {
    ++served_;
    return false;
  }
  if (served_++ == kRequestsPerTurn) worker_.postpone(id_);
  return true;
}

}  // namespace mcgate::proxy
