// Preloaded into mcgate by test_turns.py: counts what its event loops are handed by the kernel. The signal
// SIGRTMIN makes it say how much that was so far, "handed N events", on standard error. From SIGRTMIN+1 on,
// which it answers with "timers are off", no loop that has nothing else to do is woken by its timers.
#include <dlfcn.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstring>

namespace {

std::atomic<unsigned long> handed{0};
std::atomic<bool> timers_off{false};

void tell(int signal) {
  const int saved = errno;
  char line[64] = "timers are off\n";
  if (signal == SIGRTMIN) {
    std::snprintf(line, sizeof line, "handed %lu events\n", handed.load());
  } else {
    timers_off = true;
  }
  [[maybe_unused]] const ssize_t written = ::write(2, line, std::strlen(line));
  errno = saved;
}

[[gnu::constructor]] void begin() {
  struct sigaction action{};
  action.sa_handler = tell;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGRTMIN, &action, nullptr);
  ::sigaction(SIGRTMIN + 1, &action, nullptr);
}

}  // namespace

extern "C" int epoll_wait(int epoll, epoll_event* events, int most, int milliseconds) {
  using Wait = int(int, epoll_event*, int, int);
  static auto* const real = reinterpret_cast<Wait*>(::dlsym(RTLD_NEXT, "epoll_wait"));
  const int count = real(epoll, events, most, timers_off && milliseconds > 0 ? -1 : milliseconds);
  if (count > 0) handed += static_cast<unsigned long>(count);
  return count;
}
