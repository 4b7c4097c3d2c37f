// Keeps the audit trail short: the first of events that are alike is written at once, those that follow it
// within an interval are counted, and written as one line at its end. Time is a parameter; one thread.
//
// Bounded: where a user (or those who are nobody) has too many groups of a kind that differ in key or
// address, the rest of such events are counted together, so that nobody can bury what others do under events
// of its own, nor where else it has logged in under what it was refused.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/audit_event.hpp"

namespace mcgate::proxy {

// A line, and how many events are missing without it.
struct AuditLine {
  std::string text;
  std::uint64_t events = 1;
};

class AuditGroups {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // How many groups there are at most, of one user and kind, and in all.
  static constexpr std::size_t kOfOneUser = 256;
  static constexpr std::size_t kAll = 16'384;

  // An interval of 0 groups nothing. `keys` outlives it.
  AuditGroups(std::chrono::milliseconds interval, const AuditKeyForm& keys)
      : interval_{interval}, keys_{keys} {}

  // What is to be written at once, if anything: where a group is begun, or none can be.
  std::vector<AuditLine> add(AuditEvent event, Time now);
  // The lines of the groups that have come to their end by now.
  std::vector<AuditLine> take_due(Time now);
  // Of all groups.
  std::vector<AuditLine> take_all();
  // For want of memory; how many events are missing now.
  std::uint64_t forget();
  // When the next group ends; the end of time without one.
  Time next_due() const;
  std::size_t size() const { return groups_.size(); }

 private:
  struct Group {
    AuditEvent event;
    Time until;
    AuditRepeats repeats;
  };
  // Counts it if its group is there.
  bool count(const std::string& identity, const AuditEvent& event);
  void end_first(std::vector<AuditLine>& lines);

  std::chrono::milliseconds interval_;
  const AuditKeyForm& keys_;
  std::unordered_map<std::string, Group> groups_;        // by identity
  std::unordered_map<std::string, std::size_t> shares_;  // how many groups each user has of each kind
  std::deque<const std::string*> order_;                 // the groups' identities, the next to end first
};

}  // namespace mcgate::proxy
