#include "proxy/snapshot.hpp"

#include <algorithm>
#include <utility>

namespace mcgate::proxy {
namespace {

// What stands around a value in a reply, at the most: VALUE, key, numbers and line ends, or a header.
constexpr std::size_t kAroundValue = 512;

std::size_t keys_with_room(const conf::Limits& limits) {
  const std::size_t room =
      limits.session_output_bytes - std::min(limits.session_output_bytes, kOutputHighWater);
  return std::clamp<std::size_t>(room / (limits.value_bytes + kAroundValue), 1, limits.requests_in_flight);
}

}  // namespace

std::expected<std::shared_ptr<const Snapshot>, std::vector<conf::Problem>> Snapshot::build(
    conf::Config config) {
  std::vector<conf::Problem> problems;
  auto snapshot = std::make_shared<Snapshot>();
  auto directory = auth::Directory::build(config);
  if (directory) {
    snapshot->directory = std::make_shared<const auth::Directory>(std::move(*directory));
  } else {
    problems = std::move(directory.error());
  }
  for (const conf::Listener& listener : config.listeners) {
    ListenerTls tls;
    if (listener.tls) {
      auto made = make_tls(*listener.tls, conf::format(listener.address));
      if (made) {
        tls = std::move(*made);
      } else {
        problems.push_back({config.file, listener.place, made.error()});
      }
    }
    snapshot->tls.push_back(std::move(tls));
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  snapshot->keys_in_flight = keys_with_room(config.limits);
  snapshot->config = std::move(config);
  return snapshot;
}

}  // namespace mcgate::proxy
