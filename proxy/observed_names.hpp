// How the sketch of what was observed names rights, keys and where clients are, for whoever writes it or
// reads it back. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "auth/identity.hpp"
#include "protocol/command.hpp"

namespace mcgate::proxy {

// A key's prefix, as the audit trail has it, with a `*` behind it unless it is the whole key; empty where no
// grant could name it.
std::string keys_of(std::string_view key);
// Whether keys_of() could say that.
bool could_be_noted(std::string_view keys);
// The category of a command, or its name if it is an admin command.
std::string_view right_of(const protocol::CommandRow& row);
// Where somebody is who has not logged in, as auth::PeerPlace tells clients apart, and as networks are
// written: an IPv4 address, the /64 of an IPv6 one, whose addresses are there for the taking; this host as
// itself, and whoever is at a Unix socket as "unix".
std::string address_of(const auth::Peer& peer);
// Whether address_of() could say that.
bool could_be_address(std::string_view text);

}  // namespace mcgate::proxy
