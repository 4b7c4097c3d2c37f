#include <sys/resource.h>

#include "proxy/cli.hpp"

int main(int argc, char** argv) {
  // Whatever the command is, passwords or their verifiers pass through its memory: no core file holds them.
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  return mcgate::proxy::run_command_line(argc, argv);
}
