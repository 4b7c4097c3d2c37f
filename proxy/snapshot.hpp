// All that is decided by the configuration, immutable and shared by every thread.
#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <vector>

#include "auth/directory.hpp"
#include "conf/config.hpp"
#include "proxy/tls.hpp"

namespace mcgate::proxy {

// Replies that wait for a session's client, in bytes, before no more of its requests are served.
inline constexpr std::size_t kOutputHighWater = 1'048'576;

struct Snapshot {
  conf::Config config;
  // How many keys a session may have in flight: as configured, or as many as its output has room for if each
  // had the longest value, since a link is drained whatever its clients do.
  std::size_t keys_in_flight = 1;
  std::shared_ptr<const auth::Directory> directory;
  std::vector<ListenerTls> tls;  // parallel to config.listeners

  // Loads what the configuration names (certificates, keys) and compiles users and policy; every problem
  // found, or the whole.
  static std::expected<std::shared_ptr<const Snapshot>, std::vector<conf::Problem>> build(
      conf::Config config);
};

}  // namespace mcgate::proxy
