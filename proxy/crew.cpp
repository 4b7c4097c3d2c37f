#include "proxy/crew.hpp"

#include <malloc.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

#include <new>
#include <stdexcept>
#include <thread>
#include <utility>

#include "proxy/reload.hpp"

namespace mcgate::proxy {
namespace {

// How often it looks whether memory is to be given back to the kernel.
constexpr timeval kTrimEvery{.tv_sec = 5, .tv_usec = 0};

event_base* make_base() {
  event_base* base = event_base_new();
  if (base == nullptr) throw std::bad_alloc{};
  return base;
}

}  // namespace

sigset_t Crew::signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGUSR1);
  return signals;
}

Crew::Crew(Shared& shared, std::shared_ptr<const Snapshot> snapshot, Listening listening)
    : shared_{shared},
      counters_{shared.metrics.add_thread()},
      snapshot_{std::move(snapshot)},
      base_{make_base()},
      stopped_fd_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)},
      adopted_fd_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {
  const sigset_t handled = signals();
  signal_fd_ = Fd{::signalfd(-1, &handled, SFD_NONBLOCK | SFD_CLOEXEC)};
  if (!signal_fd_ || !stopped_fd_ || !adopted_fd_) throw std::bad_alloc{};
  signal_event_ = make_event<&Crew::on_signals>(base(), signal_fd_.get(), EV_READ | EV_PERSIST, this);
  stopped_event_ =
      make_event<&Crew::on_worker_stopped>(base(), stopped_fd_.get(), EV_READ | EV_PERSIST, this);
  adopted_event_ = make_event<&Crew::on_adopted>(base(), adopted_fd_.get(), EV_READ | EV_PERSIST, this);
  trim_event_ = make_event<&Crew::trim>(base(), -1, EV_PERSIST, this);
  for (std::uint32_t i = 0; i < listening.size(); ++i)
    workers_.push_back(std::make_unique<Worker>(i, shared, snapshot_, std::move(listening[i])));
  counters_.set<Metric::Generation>(generation_);
  counters_.set<Metric::Build>(1, 0);
  audit(AuditEvent::Kind::ConfigurationAdopted);
}

void Crew::run() {
  add_event(signal_event_);
  add_event(stopped_event_);
  add_event(adopted_event_);
  add_event(trim_event_, &kTrimEvery);
  running_ = workers_.size();
  std::vector<std::jthread> threads;
  threads.reserve(workers_.size());
  for (auto& worker : workers_) {
    threads.emplace_back([this, each = worker.get()] {
      each->run([this] {
        if (++accepting_ == workers_.size()) log().info("ready", {{"workers", workers_.size()}});
      });
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t written = ::write(stopped_fd_.get(), &one, sizeof one);
    });
    ::pthread_setname_np(threads.back().native_handle(), "worker");
  }
  while (running_ > 0) {
    if (event_base_loop(base(), EVLOOP_ONCE) < 0) throw std::runtime_error{"the event loop has failed"};
  }
  on_adopted();  // what came while the last of them ended
}

void Crew::on_worker_stopped() {
  std::uint64_t count = 0;
  if (::read(stopped_fd_.get(), &count, sizeof count) == sizeof count) running_ -= count;
}

// What idle sessions gave back lies between what others keep, from where the kernel never gets it by itself.
void Crew::trim() {
  constexpr std::size_t kWorthIt = 64;  // sessions: some 2 MB
  if (shared_.rested < kWorthIt) return;
  shared_.rested = 0;
  ::malloc_trim(0);
}

void Crew::on_signals() {
  signalfd_siginfo signal{};
  while (::read(signal_fd_.get(), &signal, sizeof signal) == sizeof signal) {
    if (signal.ssi_signo == SIGHUP) {
      on_reload();
      continue;
    }
    if (signal.ssi_signo == SIGUSR1) {
      shared_.audit.reopen();
      continue;
    }
    stopping_ = std::exchange(draining_, true);
    log().info(stopping_ ? "stopping" : "draining",
               {{"signal", signal.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM"}});
    end();
  }
}

void Crew::end() {
  for (auto& worker : workers_)
    worker->inbox()->post([now = stopping_](Worker& each) { now ? each.stop() : each.drain(); });
}

void Crew::on_reload() {
  auto wanted = reload(snapshot_->config);
  if (!wanted) {
    counters_.add<Metric::Reloads>(1, ReloadOutcome::Refused);
    for (const conf::Problem& problem : wanted.error()) {
      const std::string text = conf::format(problem);
      log().error("reload_refused", {{"problem", text}});
      audit(AuditEvent::Kind::ConfigurationRefused, text);
    }
    return;
  }
  snapshot_ = std::move(*wanted);
  shared_.last_use.forget_all_but(*snapshot_->directory);
  adopting_.push_back(snapshot_->config.users.size());
  // Gone when each worker has adopted it, or has ended.
  const std::shared_ptr<void> wait{nullptr, [this](void*) { ::eventfd_write(adopted_fd_.get(), 1); }};
  for (auto& worker : workers_)
    worker->inbox()->post(
        [wait, snapshot = snapshot_](Worker& each) mutable { each.adopt(std::move(snapshot)); });
}

// Each worker takes them in the order they were read in, so that the oldest is the first all have.
void Crew::on_adopted() {
  eventfd_t count = 0;
  if (::eventfd_read(adopted_fd_.get(), &count) != 0) return;
  for (; count > 0; --count) {
    counters_.add<Metric::Reloads>(1, ReloadOutcome::Adopted);
    counters_.set<Metric::Generation>(++generation_);
    audit(AuditEvent::Kind::ConfigurationAdopted);
    log().info("reloaded", {{"users", adopting_.front()}});
    adopting_.pop_front();
  }
}

void Crew::audit(AuditEvent::Kind kind, std::string problem) {
  if (!shared_.audit.on()) return;
  shared_.audit.tell({.kind = kind,
                      .at = std::chrono::system_clock::now(),
                      .reason = std::move(problem),
                      .generation = generation_});
}

bool Crew::ready() const {
  const Metrics& metrics = shared_.metrics;
  return !draining_ && metrics.sum(Metric::WorkersAccepting) == workers_.size() &&
         metrics.sum(Metric::UpstreamLinks, 0) + metrics.sum(Metric::UpstreamLinks, 1) > 0;
}

std::string Crew::metrics() {
  counters_.set<Metric::LogLinesDropped>(log().dropped());
  counters_.set<Metric::AuditEventsDropped>(shared_.audit.dropped());
  return shared_.metrics.render();
}

Observed::Sketch Crew::observed() const {
  Observed::Sketch sketch;
  for (const auto& worker : workers_) worker->observed().add_to(sketch);
  return sketch;
}

}  // namespace mcgate::proxy
