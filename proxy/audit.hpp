// The audit trail: who logged in and who failed to, what was refused and by which rule, which administrative
// commands were carried out, which configurations came into force. Owned by serve(); any thread tells it, and
// a thread of its own writes.
//
// Telling it never waits: events are queued within a bound, beyond which they are counted as dropped, as are
// those whose line cannot be written. How many are missing is told in the trail as soon as there is room.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "conf/config.hpp"
#include "proxy/audit_event.hpp"
#include "proxy/audit_file.hpp"
#include "proxy/audit_groups.hpp"
#include "proxy/log.hpp"

namespace mcgate::proxy {

class Audit {
 public:
  // Events that wait to be written, at most.
  static constexpr std::size_t kQueue = 8192;

  // Off: nothing is told.
  explicit Audit(const Log& log) : log_{log} {}
  Audit(const conf::Audit& settings, AuditFile file, const Log& log);
  // Writes what it was told.
  ~Audit();
  Audit(const Audit&) = delete;
  Audit& operator=(const Audit&) = delete;

  // Asked before an event is made, so that one nobody wants costs nothing.
  bool on() const { return writer_.joinable(); }
  void tell(AuditEvent event) noexcept;
  // Whoever rotates files has moved it away: from now on it is written to a new one.
  void reopen();
  // How many events are missing in it, ever.
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  struct Work {
    std::vector<AuditEvent> events;
    bool reopen = false;
    bool stop = false;
  };
  using Clock = std::chrono::steady_clock;

  void write_all();
  // Takes what there is to do, or nothing where a group has come to its end.
  void wait_for_work();
  void carry_out();
  void open_again();
  void write(const std::vector<AuditLine>& lines);
  void tell_dropped();
  void drop(std::uint64_t events);

  const Log& log_;
  // The writer's; there if it is on.
  std::unique_ptr<const AuditKeyForm> keys_;
  std::unique_ptr<AuditFile> file_;
  std::unique_ptr<AuditGroups> groups_;
  Work taken_;
  std::size_t next_ = 0;  // of the events taken, the first that is not dealt with

  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> untold_{0};  // of those, how many the trail does not say yet
  std::mutex mutex_;                      // of `work_`; nothing is written under it
  std::condition_variable changed_;
  Work work_;
  std::thread writer_;
};

}  // namespace mcgate::proxy
