// mcgate_loadgen: see tests/bench/README.md.
#include <csignal>
#include <cstdio>
#include <memory>

#include "tests/bench/loadgen/load.hpp"

using namespace mcgate;

namespace {

// Timers are exact where clients rest: as epoll_wait() counts them, all that end in a millisecond end at
// once.
proxy::EventBasePtr make_base(const bench::Options& options) {
  const std::unique_ptr<event_config, decltype(&event_config_free)> config{event_config_new(),
                                                                           event_config_free};
  if (!config) return nullptr;
  if (options.pause.count() > 0) event_config_set_flag(config.get(), EVENT_BASE_FLAG_PRECISE_TIMER);
  return proxy::EventBasePtr{event_base_new_with_config(config.get())};
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // TLS writes to sockets that may be gone
  const bench::Options options = bench::read_options(argc, argv);
  auto tls = bench::make_tls(options);
  if (!tls) {
    std::fprintf(stderr, "mcgate_loadgen: %s\n", tls.error().c_str());
    return 1;
  }
  const proxy::EventBasePtr base = make_base(options);
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
