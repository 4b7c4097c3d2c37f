// The workers, and the control thread that watches over them: signals, reload, the end. Made and run by
// serve(); what runs on its loop beside it (the admin endpoint) is the control thread's too.
#pragma once

#include <atomic>
#include <csignal>
#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "proxy/handles.hpp"
#include "proxy/snapshot.hpp"
#include "proxy/user_report.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {

// The listening sockets of all workers: a TCP address has one each, a Unix socket is shared.
using Listening = std::vector<std::vector<Fd>>;

class Crew {
 public:
  // The signals it handles; blocked in every thread from the start.
  static sigset_t signals();

  Crew(Shared& shared, std::shared_ptr<const Snapshot> snapshot, Listening listening);
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Returns once every worker has stopped; signals tell them to.
  void run();

  // --- for what runs on the control thread
  event_base* base() const { return base_.get(); }
  const Log& log() const { return shared_.log; }
  // Whether clients are taken and can be served.
  bool ready() const;
  // The users and when their secrets were last used, in JSON.
  std::string users() const { return users_as_json(snapshot_->config, shared_.last_use); }
  // In Prometheus's text format.
  std::string metrics();
  // What was seen where all pass, by all workers.
  Observed::Sketch observed() const;
  const Snapshot& snapshot() const { return *snapshot_; }

 private:
  void on_signals();
  void on_worker_stopped();
  void trim();
  void end();
  void on_reload();
  // All workers go by a configuration that was read; if one is held up, this comes when it goes on.
  void on_adopted();
  // Of the configuration in force.
  void audit(AuditEvent::Kind kind, std::string problem = {});

  Shared& shared_;
  Counters& counters_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::vector<std::unique_ptr<Worker>> workers_;
  EventBasePtr base_;
  Fd signal_fd_;
  Fd stopped_fd_;  // an eventfd: how many workers have stopped since it was last read
  Fd adopted_fd_;  // an eventfd: how many configurations all workers have adopted since then
  EventPtr signal_event_;
  EventPtr stopped_event_;
  EventPtr adopted_event_;
  EventPtr trim_event_;
  std::atomic<std::size_t> accepting_{0};
  std::size_t running_ = 0;
  std::uint64_t generation_ = 1;      // of the configuration that all workers go by
  std::deque<std::size_t> adopting_;  // of those not all workers go by yet, the oldest first: how many users
  bool draining_ = false;
  bool stopping_ = false;
};

}  // namespace mcgate::proxy
