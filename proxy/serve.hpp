// The server itself: what `mcgate serve` runs until it is told to stop.
#pragma once

#include "conf/config.hpp"

namespace mcgate::proxy {

// Runs in the foreground until SIGTERM or SIGINT; logs to stderr, as the configuration says or, if `verbose`,
// everything. Returns a sysexits.h code.
int serve(conf::Config config, bool verbose = false);

}  // namespace mcgate::proxy
