#include "proxy/cli.hpp"

int main(int argc, char** argv) {
  return mcgate::proxy::run_command_line(argc, argv);
}
