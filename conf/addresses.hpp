// The addresses and networks that a configuration names. Called within parse().
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "conf/config.hpp"
#include "conf/section_reader.hpp"

namespace mcgate::conf {

// What `address` says; none if it is left out or wrong.
std::optional<Address> read_address(SectionReader& reader, Problems& problems);
std::vector<Network> read_networks(SectionReader& reader, std::string_view name, Problems& problems);

}  // namespace mcgate::conf
