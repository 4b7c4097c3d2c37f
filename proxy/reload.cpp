#include "proxy/reload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace mcgate::proxy {
namespace {

bool same_sockets(const std::vector<conf::Listener>& a, const std::vector<conf::Listener>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return conf::format(x.address) == conf::format(y.address) && x.mode == y.mode && x.proxies == y.proxies &&
           x.unix_proxies == y.unix_proxies && x.tls.has_value() == y.tls.has_value();
  });
}

bool same_admin(const std::optional<conf::Admin>& a, const std::optional<conf::Admin>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || (conf::format(a->address) == conf::format(b->address) && a->mode == b->mode);
}

bool same_audit(const std::optional<conf::Audit>& a, const std::optional<conf::Audit>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a ||
         (a->file == b->file && a->keys == b->keys && a->hash_key == b->hash_key && a->group == b->group);
}

// What `wanted` changes that is set up once, at the start.
std::vector<std::string_view> fixed_at_start(const conf::Config& running, const conf::Config& wanted) {
  const struct {
    bool same;
    std::string_view what;
  } rows[] = {
      {same_sockets(running.listeners, wanted.listeners),
       "the listeners' addresses, modes, proxies and use of TLS"},
      {same_admin(running.admin, wanted.admin), "admin"},
      {same_audit(running.audit, wanted.audit), "audit"},
      {running.workers == wanted.workers, "workers"},
      {conf::format(running.upstream.address) == conf::format(wanted.upstream.address), "upstream.address"},
      {running.upstream.links == wanted.upstream.links, "upstream.links"},
      {running.limits.sessions == wanted.limits.sessions, "limits.sessions"},
      {running.limits.streams == wanted.limits.streams, "limits.streams"},
      {running.login.runners == wanted.login.runners, "login.runners"},
      {running.login.saslauthd_runners == wanted.login.saslauthd_runners, "login.saslauthd_runners"},
      {running.login.queue == wanted.login.queue, "login.queue"},
      {running.login.remembered == wanted.login.remembered, "login.remembered"},
      {running.log.format == wanted.log.format && running.log.level == wanted.log.level, "log"},
  };
  std::vector<std::string_view> changed;
  for (const auto& row : rows) {
    if (!row.same) changed.push_back(row.what);
  }
  return changed;
}

}  // namespace

std::expected<std::shared_ptr<const Snapshot>, std::vector<conf::Problem>> reload(
    const conf::Config& running) {
  auto wanted = conf::load(running.file);
  if (!wanted) return std::unexpected(std::move(wanted.error()));
  if (const auto changed = fixed_at_start(running, *wanted); !changed.empty()) {
    std::vector<conf::Problem> problems;
    problems.reserve(changed.size());
    for (const std::string_view what : changed)
      problems.push_back({running.file, {}, fmt::format("a change of {} takes a restart", what)});
    return std::unexpected(std::move(problems));
  }
  return Snapshot::build(std::move(*wanted));
}

}  // namespace mcgate::proxy
