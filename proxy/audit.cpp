#include "proxy/audit.hpp"

#include <pthread.h>

#include <algorithm>
#include <new>
#include <utility>

namespace mcgate::proxy {
namespace {

// How long it waits before it tries again to say what is missing.
constexpr std::chrono::seconds kTryAgain{1};

}  // namespace

Audit::Audit(const conf::Audit& settings, AuditFile file, const Log& log) : log_{log} {
  keys_ = std::make_unique<const AuditKeyForm>(settings.keys, settings.hash_key);
  file_ = std::make_unique<AuditFile>(std::move(file));
  groups_ = std::make_unique<AuditGroups>(settings.group, *keys_);
  work_.events.reserve(kQueue);
  taken_.events.reserve(kQueue);
  writer_ = std::thread{[this] { write_all(); }};
  ::pthread_setname_np(writer_.native_handle(), "audit");
}

Audit::~Audit() {
  if (!on()) return;
  {
    const std::lock_guard lock{mutex_};
    work_.stop = true;
  }
  changed_.notify_one();
  writer_.join();
}

void Audit::tell(AuditEvent event) noexcept {
  if (!on()) return;
  bool was_empty = false;
  {
    const std::lock_guard lock{mutex_};
    was_empty = work_.events.empty();
    if (work_.events.size() == kQueue) {
      drop(1);
      return;
    }
    work_.events.push_back(std::move(event));
  }
  if (was_empty) changed_.notify_one();
}

void Audit::reopen() {
  if (!on()) return;
  {
    const std::lock_guard lock{mutex_};
    work_.reopen = true;
  }
  changed_.notify_one();
}

void Audit::drop(std::uint64_t events) {
  dropped_.fetch_add(events, std::memory_order_relaxed);
  untold_.fetch_add(events, std::memory_order_relaxed);
}

// --- the writer

void Audit::wait_for_work() {
  taken_.events.clear();
  taken_.reopen = false;
  next_ = 0;
  const auto there_is = [this] { return work_.stop || work_.reopen || !work_.events.empty(); };
  Clock::time_point until = groups_->next_due();
  if (untold_ > 0) until = std::min(until, Clock::now() + kTryAgain);
  std::unique_lock lock{mutex_};
  if (until == Clock::time_point::max()) {
    changed_.wait(lock, there_is);
  } else {
    changed_.wait_until(lock, until, there_is);
  }
  std::swap(taken_, work_);
}

void Audit::write_all() {
  do {
    wait_for_work();
    try {
      carry_out();
    } catch (const std::bad_alloc&) {
      drop(groups_->forget() + taken_.events.size() - next_);
    }
  } while (!taken_.stop);
}

void Audit::carry_out() {
  if (taken_.reopen) open_again();
  tell_dropped();
  const auto now = Clock::now();
  for (; next_ < taken_.events.size(); ++next_) {
    AuditEvent& event = taken_.events[next_];
    // Which rule decides may be another from now on.
    if (event.kind == AuditEvent::Kind::ConfigurationAdopted) write(groups_->take_all());
    write(groups_->add(std::move(event), now));
  }
  write(taken_.stop ? groups_->take_all() : groups_->take_due(now));
  tell_dropped();
}

void Audit::open_again() {
  if (const auto opened = file_->reopen()) {
    log_.info("audit_reopened", {{"file", file_->path()}});
  } else {
    log_.error("audit_reopen_failed", {{"file", file_->path()},
                                       {"problem", opened.error()},
                                       {"instead", "goes on with the file that was open before"}});
  }
}

void Audit::write(const std::vector<AuditLine>& lines) {
  for (const AuditLine& line : lines) {
    tell_dropped();
    // What is missing is told where it is missing.
    if (untold_ > 0 || !file_->write(line.text)) drop(line.events);
  }
}

void Audit::tell_dropped() {
  const std::uint64_t missing = untold_;
  if (missing > 0 && file_->write(compose_dropped(missing, std::chrono::system_clock::now())))
    untold_.fetch_sub(missing);
}

}  // namespace mcgate::proxy
