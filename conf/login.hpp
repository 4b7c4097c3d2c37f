// What a configuration says of log-ins. Called within parse().
#pragma once

#include "conf/config.hpp"
#include "conf/section_reader.hpp"

namespace mcgate::conf {

// `timeouts` is what the configuration says of them: nobody may be made to wait for longer than it may stay.
void read_login(PlacedTable table, const Timeouts& timeouts, Login& login, Problems& problems);

}  // namespace mcgate::conf
