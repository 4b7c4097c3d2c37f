// Roles, as the configuration writes them: which commands on which keys. Called by parse() only.
#pragma once

#include <optional>
#include <string>

#include "conf/config.hpp"
#include "conf/section_reader.hpp"

namespace mcgate::conf {

// One [role.NAME].
Role read_role(const std::string& name, PlacedTable table, Problems& problems);

}  // namespace mcgate::conf
