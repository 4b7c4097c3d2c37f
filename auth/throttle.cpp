#include "auth/throttle.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "auth/digest.hpp"
#include "auth/peer_place.hpp"

namespace mcgate::auth {
namespace {

using Span = Throttle::Span;
using Time = Throttle::Time;

// Failures past the limit that still count: what is longer ago than these halve in is forgiven, however long
// it went on.
constexpr double kMostOver = 32;

// Doubles with each failure past the limit.
Span delay_of(const conf::Throttle& settings, double failures, std::uint32_t limit) {
  constexpr long kMostDoublings = 30;
  const long over = std::lround(failures) - static_cast<long>(limit);
  if (over < 0) return Span{0};
  const std::int64_t factor = std::int64_t{1} << std::min(over, kMostDoublings);
  return std::min(settings.longest_delay, settings.delay * factor);
}

}  // namespace

Throttle::Throttle() : key_{random_bytes(32)} {}

Throttle::Counts Throttle::counts_of(const conf::Throttle& settings, const Peer& peer,
                                     std::string_view user) {
  const std::array<char, 9> bytes = PeerPlace{peer}.bytes();
  std::array<std::uint64_t, 3> of_place{};
  const auto hash_into = [&](std::string_view key, std::array<std::uint64_t, 3>& words) {
    std::memcpy(words.data(), hmac(Hash::Sha256, key_.reveal(), key).reveal().data(), sizeof words);
  };
  const auto count = [](const std::array<std::uint64_t, 3>& words, std::uint32_t limit) {
    return Count{.tag = words[0] | 1, .bucket = words[1] % kBuckets, .limit = limit};
  };
  std::string key{bytes.data(), bytes.size()};
  hash_into(key, of_place);
  Counts found{shards_[of_place[2] % kShards], {count(of_place, settings.address_failures), Count{}}, 1};
  if (!user.empty()) {
    std::array<std::uint64_t, 3> of_user{};
    hash_into(key.append(user), of_user);  // all places are of one length
    found.counts[found.size++] = count(of_user, settings.failures);
  }
  return found;
}

Throttle::Entry* Throttle::find(Shard& shard, const Count& count) {
  if (shard.buckets.empty()) return nullptr;
  Bucket& bucket = shard.buckets[count.bucket];
  auto* const found = std::ranges::find(bucket, count.tag, &Entry::tag);
  return found == bucket.end() ? nullptr : found;
}

double Throttle::failures_of(const Entry& entry, Span half_life, Time now) {
  const std::chrono::duration<double> passed = now - entry.counted;
  const std::chrono::duration<double> half = half_life;
  return entry.failures * std::exp2(-std::max(0.0, passed.count()) / half.count());
}

std::optional<Span> Throttle::admit(const conf::Throttle& settings, const Peer& peer, std::string_view user,
                                    Time now) {
  if (settings.delay == Span{0}) return Span{0};
  const Counts counts = counts_of(settings, peer, user);
  const std::lock_guard lock{counts.shard.mutex};
  std::array<std::pair<Entry*, Span>, 2> delayed{};
  Time turn = now;
  for (std::size_t i = 0; i < counts.size; ++i) {
    Entry* const entry = find(counts.shard, counts.counts[i]);
    if (entry == nullptr) continue;
    const Span delay =
        delay_of(settings, failures_of(*entry, settings.half_life, now), counts.counts[i].limit);
    if (delay == Span{0}) continue;
    delayed[i] = {entry, delay};
    turn = std::max(turn, entry->next);
  }
  if (turn - now > settings.longest_delay) return std::nullopt;
  for (const auto& [entry, delay] : delayed) {
    if (entry != nullptr) entry->next = turn + delay;
  }
  return std::chrono::ceil<Span>(turn - now);
}

bool Throttle::delays(const conf::Throttle& settings, const Peer& peer, std::string_view user, Time now) {
  if (settings.delay == Span{0}) return false;
  const Counts counts = counts_of(settings, peer, user);
  const std::lock_guard lock{counts.shard.mutex};
  return std::ranges::any_of(counts.all(), [&](const Count& count) {
    const Entry* const entry = find(counts.shard, count);
    return entry != nullptr && entry->next > now &&
           delay_of(settings, failures_of(*entry, settings.half_life, now), count.limit) > Span{0};
  });
}

void Throttle::failed(const conf::Throttle& settings, const Peer& peer, std::string_view user, Time now) {
  if (settings.delay == Span{0}) return;
  const Counts counts = counts_of(settings, peer, user);
  const std::lock_guard lock{counts.shard.mutex};
  if (counts.shard.buckets.empty()) counts.shard.buckets.resize(kBuckets);
  const auto left = [&](const Entry& entry) { return failures_of(entry, settings.half_life, now); };
  for (const Count& count : counts.all()) {
    Entry* entry = find(counts.shard, count);
    if (entry == nullptr) {
      entry = &*std::ranges::min_element(counts.shard.buckets[count.bucket], {}, left);
      *entry = Entry{.tag = count.tag};
    }
    const double failures = std::min(count.limit + kMostOver, left(*entry) + 1);
    entry->failures = static_cast<float>(failures);
    entry->counted = now;
    entry->next = std::max(entry->next, now + delay_of(settings, failures, count.limit));
  }
}

}  // namespace mcgate::auth
