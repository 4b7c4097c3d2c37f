// Reading the configuration again while the server runs: all of it takes effect, or none.
#pragma once

#include <expected>
#include <memory>
#include <vector>

#include "proxy/snapshot.hpp"

namespace mcgate::proxy {

// The configuration file of `running`, read, checked and compiled. Refused with every problem found; also
// where it changes what only a start can set up: listeners' addresses, workers, links, runners, the log, the
// audit trail.
std::expected<std::shared_ptr<const Snapshot>, std::vector<conf::Problem>> reload(
    const conf::Config& running);

}  // namespace mcgate::proxy
