// mcgate_loadgen: see tests/bench/README.md.
#include <csignal>
#include <cstdio>

#include "tests/bench/loadgen/load.hpp"

using namespace mcgate;

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // TLS writes to sockets that may be gone
  const bench::Options options = bench::read_options(argc, argv);
  auto tls = bench::make_tls(options);
  if (!tls) {
    std::fprintf(stderr, "mcgate_loadgen: %s\n", tls.error().c_str());
    return 1;
  }
  const proxy::EventBasePtr base{event_base_new()};
  if (!base) return 1;
  bench::Load load{options, base.get(), tls->get()};
  bench::Report& report = load.run();
  std::puts(report.to_json().c_str());
  std::fflush(stdout);
  // Whoever holds us measures before the connections go.
  if (options.hold) {
    while (std::getchar() != EOF) continue;
  }
  return report.errors == 0 && report.misses == 0 && report.wrong == 0 ? 0 : 1;
}
