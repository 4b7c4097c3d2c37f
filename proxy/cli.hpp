// The command line: which sub-command is meant, and running it. Called once, by main.
#pragma once

#include <string>

namespace mcgate::proxy {

inline constexpr const char* kDefaultConfig = "/etc/mcgate/mcgate.toml";

// Does what the arguments say and returns the process's exit code: sysexits.h, but 1 from `check` for a
// configuration with problems.
int run_command_line(int argc, const char* const* argv);

// `mcgate check`: "FILE: ok" on stdout and 0, or every problem on stderr and 1.
int check(const std::string& file);

}  // namespace mcgate::proxy
