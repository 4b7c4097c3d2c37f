#include "proxy/serve.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>

#include "auth/sasl.hpp"
#include "proxy/admin.hpp"
#include "proxy/crew.hpp"
#include "proxy/fatal.hpp"
#include "proxy/socket.hpp"

namespace mcgate::proxy {
namespace {

// Passwords pass through our memory: no other process may read it.
void keep_memory_private() {
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

// One descriptor a session, and those for ourselves; the error says what to do.
std::expected<void, std::string> want_descriptors(const conf::Config& config, std::uint32_t workers) {
  constexpr rlim_t kProcess = 32;   // log, audit trail, certificates, libraries
  constexpr rlim_t kEventLoop = 8;  // epoll, inbox, what libevent opens
  const rlim_t per_worker =
      kEventLoop + config.listeners.size() + 2 * (rlim_t{config.upstream.links} + 1) + config.limits.streams;
  const rlim_t admin = config.admin ? 1 + Admin::kConnections : 0;
  const rlim_t socket_files = config.listeners.size() + 1;  // see hold_socket_files()
  const rlim_t questions = config.login.saslauthd_runners;  // each has a socket to saslauthd
  const rlim_t wanted =
      config.limits.sessions + kProcess + admin + socket_files + questions + workers * per_worker;
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

std::expected<Listening, std::string> open_listeners(const std::vector<conf::Listener>& listeners,
                                                     std::uint32_t workers, const Log& log) {
  Listening all(workers);
  for (const conf::Listener& listener : listeners) {
    auto first = listen_on(listener.address, listener.mode);
    if (!first) return std::unexpected(first.error());
    const bool is_unix = listener.address.family == conf::Address::Family::Unix;
    conf::Address address = listener.address;
    if (!is_unix) address.port = bound_port(first->get());
    for (std::uint32_t i = 1; i < workers; ++i) {
      auto more = is_unix ? std::expected<Fd, std::string>{Fd{::fcntl(first->get(), F_DUPFD_CLOEXEC, 0)}}
                          : listen_again(listener.address, address.port);
      if (!more) return std::unexpected(more.error());
      all[i].push_back(std::move(*more));
    }
    all[0].push_back(std::move(*first));
    log.info("listening", {{"address", conf::format(address)}, {"tls", listener.tls.has_value()}});
  }
  return all;
}

// The admin endpoint's socket; empty without one.
std::expected<Fd, std::string> open_admin(const std::optional<conf::Admin>& admin, const Log& log) {
  if (!admin) return Fd{};
  auto fd = listen_on(admin->address, admin->mode);
  if (!fd) return fd;
  conf::Address address = admin->address;
  if (address.family != conf::Address::Family::Unix) address.port = bound_port(fd->get());
  log.info("admin", {{"address", conf::format(address)}});
  return fd;
}

// Where decisions are recorded; off without [audit].
std::expected<std::unique_ptr<Audit>, conf::Problem> open_audit(const conf::Config& config, const Log& log) {
  if (!config.audit) return std::make_unique<Audit>(log);
  auto file = AuditFile::open(config.audit->file, log);
  if (file) return std::make_unique<Audit>(*config.audit, std::move(*file), log);
  return std::unexpected(conf::Problem{
      config.file, config.audit->place,
      fmt::format(
          "{} cannot be opened for the audit trail: {}; its directory must be there, and mcgate's user "
          "be allowed to read and write it",
          config.audit->file, file.error())});
}

// The file of a Unix socket that we made.
struct SocketFile {
  std::string path;
  Fd held;  // while it is, no other file is given the same inode number
};

std::vector<SocketFile> hold_socket_files(const conf::Config& config) {
  std::vector<SocketFile> files;
  const auto hold = [&files](const conf::Address& address) {
    if (address.family != conf::Address::Family::Unix) return;
    if (Fd held{::open(address.host.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)}; held)
      files.push_back({address.host, std::move(held)});
  };
  for (const conf::Listener& listener : config.listeners) hold(listener.address);
  if (config.admin) hold(config.admin->address);
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

}  // namespace

int serve(conf::Config config, bool verbose) {
  conf::Log log_settings = config.log;
  if (verbose) log_settings.level = conf::LogLevel::Debug;
  const Log log{log_settings};
  const Fatal fatal{log};
  keep_memory_private();
  keep_freed_memory();
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // an audit trail that has grown to its limit is no reason to end
  const sigset_t signals = Crew::signals();
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
  auto audit = open_audit(settings, log);
  if (!audit) {
    log.error("start", {{"problem", conf::format(audit.error())}});
    return EX_CANTCREAT;
  }
  auto listening = open_listeners(settings.listeners, workers, log);
  if (!listening) {
    log.error("start", {{"problem", listening.error()}});
    return EX_UNAVAILABLE;
  }
  auto admin_socket = open_admin(settings.admin, log);
  if (!admin_socket) {
    log.error("start", {{"problem", admin_socket.error()}});
    return EX_UNAVAILABLE;
  }
  const std::vector<SocketFile> socket_files = hold_socket_files(settings);
  auth::Remembered remembered{settings.login.remembered};
  auth::Throttle throttle;
  auth::LastUse last_use;
  {
    // A runner may still be at a log-in when the workers are gone: what it posts is dropped.
    auth::LoginRunners runners{"log-ins", settings.login.runners, settings.login.queue};
    auth::LoginRunners saslauthd_runners{"saslauthd", settings.login.saslauthd_runners, settings.login.queue};
    Metrics metrics;
    Shared shared{log, runners, saslauthd_runners, remembered, throttle, last_use, metrics, **audit};
    Crew crew{shared, *snapshot, std::move(*listening)};
    std::optional<Admin> admin;
    if (*admin_socket) admin.emplace(crew, std::move(*admin_socket));
    crew.run();
  }
  remove_socket_files(socket_files);
  log.info("stopped", {});
  return EX_OK;
}

}  // namespace mcgate::proxy
