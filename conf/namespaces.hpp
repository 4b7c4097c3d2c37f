// The namespaces of users: what is put before the keys of each, so that tenants with the same keys never
// meet. Part of reading a configuration; the control thread's.
#pragma once

#include <vector>

#include "conf/config.hpp"
#include "conf/section_reader.hpp"

namespace mcgate::conf {

// A user's `namespace`: bytes that a key may have, and nothing else.
void read_namespace(SectionReader& reader, User& user, Problems& problems);

// Users whose namespaces are the same share it. Where one begins with another, a key of the shorter could be
// one of the longer: each such is reported.
void check_namespaces(const std::vector<User>& users, Problems& problems);

}  // namespace mcgate::conf
