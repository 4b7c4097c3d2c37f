// How the sketch of what was observed names rights and keys, for whoever writes it or reads it back. Pure
// functions.
#pragma once

#include <string>
#include <string_view>

#include "protocol/command.hpp"

namespace mcgate::proxy {

// A key's prefix, as the audit trail has it, with a `*` behind it unless it is the whole key; empty where no
// grant could name it.
std::string keys_of(std::string_view key);
// Whether keys_of() could say that.
bool could_be_noted(std::string_view keys);
// The category of a command, or its name if it is an admin command.
std::string_view right_of(const protocol::CommandRow& row);

}  // namespace mcgate::proxy
