// What a configuration says of a listener. Called within parse().
#pragma once

#include "conf/config.hpp"
#include "conf/names.hpp"
#include "conf/section_reader.hpp"

namespace mcgate::conf {

// `addresses` gets its own; `users` are all that there are.
Listener read_listener(PlacedTable table, Names& addresses, const Names& users, Problems& problems);

}  // namespace mcgate::conf
