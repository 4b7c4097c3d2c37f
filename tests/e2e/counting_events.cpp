// Preloaded into mcgate by test_turns.py: counts what its event loops are handed by the kernel. The signal
// SIGRTMIN makes it say how much that was so far, "handed N events", on standard error.
#include <dlfcn.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>

namespace {

std::atomic<unsigned long> handed{0};

void tell(int) {
  const int saved = errno;
  char line[64];
  const int size = std::snprintf(line, sizeof line, "handed %lu events\n", handed.load());
  [[maybe_unused]] const ssize_t written = ::write(2, line, static_cast<std::size_t>(size));
  errno = saved;
}

[[gnu::constructor]] void begin() {
  struct sigaction action{};
  action.sa_handler = tell;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGRTMIN, &action, nullptr);
}

}  // namespace

extern "C" int epoll_wait(int epoll, epoll_event* events, int most, int milliseconds) {
  using Wait = int(int, epoll_event*, int, int);
  static auto* const real = reinterpret_cast<Wait*>(::dlsym(RTLD_NEXT, "epoll_wait"));
  const int count = real(epoll, events, most, milliseconds);
  if (count > 0) handed += static_cast<unsigned long>(count);
  return count;
}
