// Preloaded into mcgate by test_memory.py: makes an allocation fail. The signal SIGRTMIN with the value n
// makes the n-th from then on fail, with -n that and all that come after it, and with 0 none any more;
// "armed" on standard error says that it holds, and how many the last one still had to go.
#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

std::atomic<long> left{0};  // until one fails; 0: none does
std::atomic<bool> all_after{false};
std::atomic<bool> failing{false};

bool fails() {
  if (failing.load(std::memory_order_relaxed)) return true;
  if (left.load(std::memory_order_relaxed) <= 0 || left.fetch_sub(1) != 1) return false;
  failing = all_after.load();
  return true;
}

void arm(int, siginfo_t* info, void*) {
  const int saved = errno;
  const long value = info->si_value.sival_int;
  failing = false;
  all_after = value < 0;
  const long before = left.exchange(value < 0 ? -value : value);
  char line[64];
  const int size = std::snprintf(line, sizeof line, "armed %ld, had %ld to go\n", value, before);
  [[maybe_unused]] const ssize_t written = ::write(2, line, static_cast<std::size_t>(size));
  errno = saved;
}

[[gnu::constructor]] void begin() {
  struct sigaction action{};
  action.sa_sigaction = arm;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigaction(SIGRTMIN, &action, nullptr);
}

// The function of that name that ours stands before.
template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

void* out_of_memory() {
  errno = ENOMEM;
  return nullptr;
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) {
  static auto* const real = next<void*(std::size_t)>("malloc");
  return fails() ? out_of_memory() : real(size);
}

void* calloc(std::size_t count, std::size_t size) {
  static auto* const real = next<void*(std::size_t, std::size_t)>("calloc");
  return fails() ? out_of_memory() : real(count, size);
}

void* realloc(void* memory, std::size_t size) {
  static auto* const real = next<void*(void*, std::size_t)>("realloc");
  return fails() ? out_of_memory() : real(memory, size);
}

}  // extern "C"

#ifdef MCGATE_OWN_NEW  // AddressSanitizer's does not ask malloc
void* operator new(std::size_t size) {
  static auto* const real = next<void*(std::size_t)>("_Znwm");
  if (fails()) throw std::bad_alloc{};
  return real(size);
}
#endif
