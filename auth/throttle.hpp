// Failed log-ins, counted, so that passwords cannot be guessed at the speed of the wire. Counted for each
// user from each address, and for each address whoever it says it is; never for a user alone, whom anyone
// could lock out then. Counts halve with time. Those that have failed too often are not refused but made to
// wait, one behind the other, before their next password is looked at.
//
// A client is told by its PeerPlace. All of it is in a table of fixed size,
// placed by a keyed hash: under a spray from millions of addresses the entries with the fewest failures make
// room for each other, so that to flush one that counts takes as many failures again in its whole bucket,
// and nobody can tell which keys share it.
//
// Any thread; the time is the caller's.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "auth/identity.hpp"
#include "conf/config.hpp"
#include "conf/secret.hpp"

namespace mcgate::auth {

class Throttle {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Span = std::chrono::milliseconds;

  static constexpr std::size_t kWays = 8;       // entries of a bucket
  static constexpr std::size_t kBuckets = 512;  // of a shard
  static constexpr std::size_t kShards = 16;

  Throttle();

  // Takes a turn for a log-in: how long it is to wait before its password is looked at; zero for whoever has
  // not failed much. None if so many wait that its turn would come later than settings.longest_delay: to be
  // refused without a look. `user` is what the client says, any bytes; empty if it has not said.
  std::optional<Span> admit(const conf::Throttle& settings, const Peer& peer, std::string_view user,
                            Time now);
  // Whether a log-in that was let through at once would have to wait by now; takes no turn.
  bool delays(const conf::Throttle& settings, const Peer& peer, std::string_view user, Time now);
  void failed(const conf::Throttle& settings, const Peer& peer, std::string_view user, Time now);

 private:
  struct Entry {
    std::uint64_t tag = 0;  // none if 0
    float failures = 0;     // at `counted`
    Time counted{};
    Time next{};  // whose turn has not been given away yet
  };
  using Bucket = std::array<Entry, kWays>;
  // Both counts of a log-in are in the shard of its address, so that one lock guards them.
  struct Shard {
    std::mutex mutex;
    std::vector<Bucket> buckets;  // empty until something is counted
  };
  // One count that a log-in falls under, and how many failures it bears.
  struct Count {
    std::uint64_t tag;
    std::size_t bucket;
    std::uint32_t limit;
  };
  struct Counts {
    Shard& shard;
    std::array<Count, 2> counts;  // the address's, and the user's there
    std::size_t size;             // 1 if the user is not known

    std::span<const Count> all() const { return {counts.data(), size}; }
  };

  Counts counts_of(const conf::Throttle& settings, const Peer& peer, std::string_view user);
  static double failures_of(const Entry& entry, Span half_life, Time now);
  // With the lock held. Null if nothing is counted.
  static Entry* find(Shard& shard, const Count& count);

  const conf::Secret key_;
  std::array<Shard, kShards> shards_;
};

}  // namespace mcgate::auth
