// The policy that `mcgate learn` proposes: it grants what clients were seen to ask for where all pass, and no
// more. A pure function; what it says is for an operator to review.
#pragma once

#include <cstdint>
#include <string>

#include "conf/config.hpp"
#include "proxy/observed.hpp"

namespace mcgate::proxy {

// What becomes of those who have not logged in, beside a role for what they did.
enum class Strangers : std::uint8_t {
  AreTold,   // a comment tells who they are
  GetAUser,  // by nothing but their addresses
};

// TOML, to stand at the end of that configuration's file: a role for each user, and one for those who have
// not logged in and did the same. Its comments say what else is to be done, and what was seen and not
// granted. Whatever it has from the sketch is quoted.
std::string propose(const Observed::Sketch& sketch, const conf::Config& config, Strangers strangers);

}  // namespace mcgate::proxy
