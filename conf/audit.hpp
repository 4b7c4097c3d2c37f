// What a configuration says of the audit trail. Called within parse().
#pragma once

#include "conf/config.hpp"
#include "conf/section_reader.hpp"

namespace mcgate::conf {

Audit read_audit(PlacedTable table, Problems& problems);

}  // namespace mcgate::conf
