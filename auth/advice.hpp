// What is right in a configuration, but may not be what was meant: rules without effect, users who cannot log
// in, rights that reach further than they should. For `mcgate check`; pure.
#pragma once

#include <vector>

#include "conf/config.hpp"

namespace mcgate::auth {

// Each with its place, in the file's order; the messages begin with "warning: ".
std::vector<conf::Problem> advise(const conf::Config& config);

}  // namespace mcgate::auth
