// What sub-commands say by the configuration that is served, and not by the file: they ask the mcgate that
// runs, by its admin endpoint. Called by main, which is then done; both return an exit code of sysexits.h,
// and say on stderr what was wrong.
#pragma once

#include <string>

#include "proxy/explain.hpp"

namespace mcgate::proxy {

// `mcgate explain --running`: as explain prints it; 1 if the request is refused.
int explain_running(const std::string& config_file, const Question& question);

// `mcgate user list --running`: as user_list prints it, and when each secret was last used.
int user_list_running(const std::string& config_file);

}  // namespace mcgate::proxy
