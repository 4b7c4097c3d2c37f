#include "proxy/serve.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>

#include "auth/sasl.hpp"
#include "proxy/reload.hpp"
#include "proxy/socket.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {
namespace {

// Passwords pass through our memory: it must not end in a core dump or be read by another process.
void keep_memory_private() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // leak checks must be able to look
  ::prctl(PR_SET_DUMPABLE, 0);
#endif
}

// Memory of a large value that is freed is the next one's. Given back to the kernel each time, it had to be
// faulted in again: a third of the processor time of a 64 KB get.
void keep_freed_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
}

// One descriptor a session and those for ourselves; the error says what to do.
std::expected<void, std::string> want_descriptors(const conf::Config& config, std::uint32_t workers) {
  constexpr rlim_t kProcess = 32;   // log, certificates, libraries
  constexpr rlim_t kEventLoop = 8;  // epoll, inbox, what libevent opens
  const rlim_t per_worker =
      kEventLoop + config.listeners.size() + 2 * rlim_t{config.upstream.links} + config.limits.streams;
  const rlim_t wanted = config.limits.sessions + kProcess + workers * per_worker;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return {};
  limit.rlim_cur = wanted;
  if (limit.rlim_max < wanted) limit.rlim_max = wanted;
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return {};
  return std::unexpected(fmt::format(
      "limits.sessions = {} needs {} file descriptors; raise the limit (ulimit -n, LimitNOFILE=) or lower it",
      config.limits.sessions, wanted));
}

// What the last worker to stop wakes the control thread with.
constexpr int kAllStopped = SIGUSR2;

// How often it looks whether memory is to be given back to the kernel, at the least.
constexpr timespec kTrimEvery{.tv_sec = 5, .tv_nsec = 0};

sigset_t handled_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, kAllStopped);
  return signals;
}

// The listening sockets of all workers: a TCP address has one each, a Unix socket is shared.
using Listening = std::vector<std::vector<Fd>>;
std::expected<Listening, std::string> open_listeners(const std::vector<conf::Listener>& listeners,
                                                     std::uint32_t workers, const Log& log) {
  Listening all(workers);
  for (const conf::Listener& listener : listeners) {
    auto first = listen_on(listener);
    if (!first) return std::unexpected(first.error());
    const bool is_unix = listener.address.family == conf::Address::Family::Unix;
    conf::Address address = listener.address;
    if (!is_unix) address.port = bound_port(first->get());
    for (std::uint32_t i = 1; i < workers; ++i) {
      auto more = is_unix ? std::expected<Fd, std::string>{Fd{::fcntl(first->get(), F_DUPFD_CLOEXEC, 0)}}
                          : listen_again(listener, address.port);
      if (!more) return std::unexpected(more.error());
      all[i].push_back(std::move(*more));
    }
    all[0].push_back(std::move(*first));
    log.info("listening", {{"address", conf::format(address)}, {"tls", listener.tls.has_value()}});
  }
  return all;
}

// The file of a Unix socket that we made.
struct SocketFile {
  std::string path;
  Fd held;  // while it is, no other file is given the same inode number
};

std::vector<SocketFile> hold_socket_files(const std::vector<conf::Listener>& listeners) {
  std::vector<SocketFile> files;
  for (const conf::Listener& listener : listeners) {
    const conf::Address& address = listener.address;
    if (address.family != conf::Address::Family::Unix) continue;
    if (Fd held{::open(address.host.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)}; held)
      files.push_back({address.host, std::move(held)});
  }
  return files;
}

// Draining takes long: a successor may have made its own socket there meanwhile, and that is left alone.
void remove_socket_files(const std::vector<SocketFile>& files) {
  for (const auto& [path, held] : files) {
    struct stat ours{};
    struct stat present{};
    if (::fstat(held.get(), &ours) == 0 && ::lstat(path.c_str(), &present) == 0 &&
        ours.st_dev == present.st_dev && ours.st_ino == present.st_ino)
      ::unlink(path.c_str());
  }
}

// The workers and the thread that watches over them.
class Crew {
 public:
  Crew(Shared& shared, std::shared_ptr<const Snapshot> snapshot, Listening listening)
      : shared_{shared}, log_{shared.log}, snapshot_{std::move(snapshot)} {
    for (std::uint32_t i = 0; i < listening.size(); ++i)
      workers_.push_back(std::make_unique<Worker>(i, shared, snapshot_, std::move(listening[i])));
  }

  // Returns once every worker has stopped; signals tell them to.
  void run(const sigset_t& signals) {
    std::atomic<std::size_t> accepting{0};
    std::atomic<std::size_t> running{workers_.size()};
    std::vector<std::jthread> threads;
    threads.reserve(workers_.size());
    const pthread_t control = ::pthread_self();
    for (auto& worker : workers_) {
      threads.emplace_back([&, each = worker.get()] {
        each->run([&] {
          if (++accepting == workers_.size()) log_.info("ready", {{"workers", workers_.size()}});
        });
        if (--running == 0) ::pthread_kill(control, kAllStopped);
      });
    }
    while (running > 0) {
      const int signal = ::sigtimedwait(&signals, nullptr, &kTrimEvery);
      if (signal > 0 && running > 0) on_signal(signal);
      trim();
    }
  }

 private:
  // What idle sessions gave back lies between what others keep, from where the kernel never gets it by
  // itself.
  void trim() {
    constexpr std::size_t kWorthIt = 64;  // sessions: some 2 MB
    if (shared_.rested < kWorthIt) return;
    shared_.rested = 0;
    ::malloc_trim(0);
  }

  void on_signal(int signal) {
    if (signal == kAllStopped) return;
    if (signal == SIGHUP) {
      on_reload();
      return;
    }
    const bool now = std::exchange(draining_, true);
    log_.info(now ? "stopping" : "draining", {{"signal", signal == SIGINT ? "SIGINT" : "SIGTERM"}});
    for (auto& worker : workers_)
      worker->inbox()->post([now](Worker& each) { now ? each.stop() : each.drain(); });
  }

  void on_reload() {
    auto wanted = reload(snapshot_->config);
    if (!wanted) {
      for (const conf::Problem& problem : wanted.error())
        log_.error("reload_refused", {{"problem", conf::format(problem)}});
      return;
    }
    snapshot_ = std::move(*wanted);
    for (auto& worker : workers_)
      worker->inbox()->post(
          [snapshot = snapshot_](Worker& each) mutable { each.adopt(std::move(snapshot)); });
    log_.info("reloaded", {{"users", snapshot_->config.users.size()}});
  }

  Shared& shared_;
  const Log& log_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool draining_ = false;
};

}  // namespace

int serve(conf::Config config) {
  const Log log{config.log};
  keep_memory_private();
  keep_freed_memory();
  ::signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = handled_signals();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  const auto snapshot = Snapshot::build(std::move(config));
  if (!snapshot) {
    for (const conf::Problem& problem : snapshot.error())
      log.error("configuration", {{"problem", conf::format(problem)}});
    return EX_CONFIG;
  }
  const conf::Config& settings = (*snapshot)->config;
  const std::uint32_t workers =
      settings.workers != 0 ? settings.workers : std::max(1U, std::thread::hardware_concurrency());
  if (const auto enough = want_descriptors(settings, workers); !enough) {
    log.error("start", {{"problem", enough.error()}});
    return EX_OSERR;
  }
  const auto sasl = auth::SaslLibrary::open();
  if (!sasl) {
    log.error("start", {{"problem", sasl.error()}});
    return EX_SOFTWARE;
  }
  log.info("start", {{"version", MCGATE_VERSION},
                     {"workers", workers},
                     {"upstream", conf::format(settings.upstream.address)},
                     {"users", settings.users.size()}});
  auto listening = open_listeners(settings.listeners, workers, log);
  if (!listening) {
    log.error("start", {{"problem", listening.error()}});
    return EX_UNAVAILABLE;
  }
  const std::vector<SocketFile> socket_files = hold_socket_files(settings.listeners);
  auth::Remembered remembered{settings.login.remembered};
  auth::Throttle throttle;
  {
    // A runner may still be at a log-in when the workers are gone: it posts to an inbox nobody empties.
    auth::LoginRunners runners{settings.login.runners, settings.login.queue};
    Shared shared{log, runners, remembered, throttle};
    Crew crew{shared, *snapshot, std::move(*listening)};
    crew.run(signals);
  }
  remove_socket_files(socket_files);
  log.info("stopped", {});
  return EX_OK;
}

}  // namespace mcgate::proxy
