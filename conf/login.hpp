// What a configuration says of log-ins. Called within parse().
#pragma once

#include "conf/config.hpp"
#include "conf/section_reader.hpp"

namespace mcgate::conf {

// Where the throttle's longest delay stands; nowhere if it is not said.
Place read_login(PlacedTable table, Login& login, Problems& problems);

// Whoever is made to wait must still be there when its turn comes: `place` is where either is said.
void check_longest_delay(const Throttle& throttle, const Timeouts& timeouts, Place place, Problems& problems);

}  // namespace mcgate::conf
