// What the admin endpoint tells of users: their secrets, what these are, and when each was last used. Control
// thread. No verifier is in it, nor anything by which a password could be tried.
#pragma once

#include <string>

#include "auth/last_use.hpp"
#include "conf/config.hpp"

namespace mcgate::proxy {

// {"users":[{"name":…,"enabled":…,"secrets":[{"id":…,"kind":…,"scram":…,"not_after":…,"comment":…,
// "last_used":…}]}]}; times as 2027-01-01T00:00:00Z, or null.
std::string users_as_json(const conf::Config& config, const auth::LastUse& last_use);

}  // namespace mcgate::proxy
