// All that is decided by the configuration, immutable and shared by every thread.
#pragma once

#include <expected>
#include <memory>
#include <vector>

#include "auth/directory.hpp"
#include "conf/config.hpp"
#include "proxy/handles.hpp"

namespace mcgate::proxy {

struct Snapshot {
  conf::Config config;
  std::shared_ptr<const auth::Directory> directory;
  std::vector<SslCtxPtr> tls;  // parallel to config.listeners; null where a listener is plain

  // Loads what the configuration names (certificates, keys) and compiles users and policy; every problem
  // found, or the whole.
  static std::expected<std::shared_ptr<const Snapshot>, std::vector<conf::Problem>> build(
      conf::Config config);
};

}  // namespace mcgate::proxy
