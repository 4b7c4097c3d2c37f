// How many sessions each place of clients has, of all workers. Locked by shards, and only when a client comes
// or leaves.
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <unordered_map>

#include "auth/peer_place.hpp"

namespace mcgate::proxy {

class Headcount {
 public:
  // Counts one more there; false, and nothing is counted, if there are `most` already (0: any number). Any
  // thread.
  bool enter(const auth::PeerPlace& place, std::size_t most);
  // What a successful enter() has counted.
  void leave(const auth::PeerPlace& place);

 private:
  using Hash = auth::PeerPlace::Hash;
  struct Shard {
    std::mutex mutex;
    std::unordered_map<auth::PeerPlace, std::size_t, Hash> sessions;  // none is 0
  };
  Shard& shard_of(const auth::PeerPlace& place) { return shards_[Hash{}(place) >> (64 - kShardBits)]; }

  static constexpr int kShardBits = 4;
  std::array<Shard, std::size_t{1} << kShardBits> shards_;
};

}  // namespace mcgate::proxy
