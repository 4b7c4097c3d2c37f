// What a configuration says of log-ins. Called within parse().
#pragma once

#include "conf/config.hpp"
#include "conf/section_reader.hpp"

namespace mcgate::conf {

void read_login(PlacedTable table, Login& login, Problems& problems);

}  // namespace mcgate::conf
