// `mcgate commands`: what a grant may name, printed from the command table. Called once, by the command line.
#pragma once

#include <string>

namespace mcgate::proxy {

// A heading, then one line a command: its name, category, keys (none, one, many), and the memcached since
// which it is there in the text protocol (meta commands included) and in the binary one, or "-". Columns are
// at least two spaces apart; names hold single spaces at most.
std::string list_commands();

}  // namespace mcgate::proxy
