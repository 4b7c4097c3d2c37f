// How many sessions each client address has, of all workers. Locked by shards, and only when a client comes
// or leaves. An IPv6 client counts by its /64, which is what one customer has.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "auth/identity.hpp"

namespace mcgate::proxy {

class Headcount {
 public:
  // Counts one more of the peer's address; false, and nothing is counted, if it has `most` already (0: any
  // number). Clients of a Unix socket have no address and are not counted. Any thread.
  bool enter(const auth::Peer& peer, std::size_t most);
  // What a successful enter() has counted.
  void leave(const auth::Peer& peer);

 private:
  struct Key {
    bool is_ipv4;
    std::uint64_t bytes;
    bool operator==(const Key&) const = default;
  };
  // Every byte counts in its first bits, by which shards are chosen: addresses may differ in the last alone.
  struct Hash {
    std::size_t operator()(Key key) const { return key.bytes * 0x9e37'79b9'7f4a'7c15U; }
  };
  struct Shard {
    std::mutex mutex;
    std::unordered_map<Key, std::size_t, Hash> sessions;  // of each address; none is 0
  };
  static Key key_of(const conf::IpAddress& address);
  Shard& shard_of(Key key) { return shards_[Hash{}(key) >> (64 - kShardBits)]; }

  static constexpr int kShardBits = 4;
  std::array<Shard, std::size_t{1} << kShardBits> shards_;
};

}  // namespace mcgate::proxy
