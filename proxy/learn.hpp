// `mcgate learn`: reads what was observed and prints the policy that would allow it, to be reviewed and
// pasted. Called by main, which is then done.
#pragma once

#include <string>

#include "proxy/proposal.hpp"

namespace mcgate::proxy {

struct LearnOptions {
  std::string config_file;
  // What `GET /observed` answered; "-": on standard input; empty: the mcgate that runs is asked.
  std::string observed_file = {};
  Strangers strangers = Strangers::AreTold;
};

// Prints the proposal, unless the configuration with it at its end would not check. Returns an exit code of
// sysexits.h and says on stderr what was wrong.
int learn(const LearnOptions& options);

}  // namespace mcgate::proxy
