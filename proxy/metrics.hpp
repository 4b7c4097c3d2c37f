// What is counted: one table row per metric, and the counters. Each thread that counts has a block of its
// own, which it alone writes and anyone may read: counting costs a request an addition, and no lock or cache
// line that another thread writes. Who reads sums the blocks, so a sum may be of slightly different moments.
//
// docs/metrics.md lists the metrics; a unit test holds it to this table.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/command.hpp"

namespace mcgate::proxy {

enum class Metric : std::uint8_t {
  Requests,
  MalformedRequests,
  Logins,
  Sessions,
  Strangers,
  SessionsAccepted,
  SessionsClosed,
  ClientsFromElsewhere,
  BytesReceived,
  BytesSent,
  BytesWaiting,
  BoundHits,
  UpstreamLinks,
  UpstreamConnects,
  UpstreamFailures,
  RepliesLost,
  LogLinesSuppressed,
  LogLinesDropped,
  AuditEventsDropped,
  Workers,
  WorkersAccepting,
  Reloads,
  Generation,
  Build,
};

// What became of a request.
enum class Verdict : std::uint8_t { Allowed, Denied, Unauthenticated, Limited };
inline constexpr std::size_t kVerdicts = 4;

// How a log-in was tried: auth::Proof, and one more for what came not so far as to say.
inline constexpr std::size_t kLoginProofs = 10;
inline constexpr std::size_t kUnknownProof = kLoginProofs - 1;
enum class LoginOutcome : std::uint8_t { Granted, Refused };
inline constexpr std::size_t kLoginOutcomes = 2;

// Why a session has ended.
enum class Ending : std::uint8_t {
  Client,     // it said that it sends no more, or quit
  Lost,       // the connection broke, or TLS failed
  Bound,      // it reached one
  Protocol,   // it broke the protocol past repair
  Logins,     // too many failed
  Revoked,    // by a new configuration, or its certificate has expired
  Unwritten,  // a write of unknown outcome, by a lost link
  Stopping,   // mcgate's own end
};
inline constexpr std::size_t kEndings = 8;

// The bounds that a client can reach; named as the configuration names them.
enum class Bound : std::uint8_t {
  Sessions,
  AddressSessions,
  Strangers,
  SessionOutput,
  WorkerBytes,
  RequestsInFlight,
  LinkOutput,
  Streams,
  LoginQueue,
  LoginThrottle,
  HandshakeTime,
  LoginTime,
  RequestTime,
  WriteTime,
  WriteRate,
  IdleTime,
  Ahead,
  Descriptors,
  Memory,
  ValueBytes,  // these of everyone's limits, or of a user's or a role's
  Keys,
  Ttl,
  Requests,
  Bytes,
  Connections,
};
inline constexpr std::size_t kBounds = static_cast<std::size_t>(Bound::Connections) + 1;
std::string_view name(Bound bound);

// Why a link to memcached has failed.
enum class LinkFailure : std::uint8_t {
  Connect,   // it never came up
  Lost,      // closed, or broken
  Timeout,   // no answer in time
  Poisoned,  // an answer that could not be proven to be of its request
};
inline constexpr std::size_t kLinkFailures = 4;

enum class ReloadOutcome : std::uint8_t { Adopted, Refused };
inline constexpr std::size_t kReloadOutcomes = 2;

// The protocol of a link: text and meta, or binary.
inline constexpr std::size_t kLinkProtocols = 2;
constexpr std::size_t link_protocol(protocol::Dialect dialect) {
  return dialect == protocol::Dialect::Binary ? 1 : 0;
}

struct Label {
  std::string_view name;  // empty: none
  std::size_t count = 1;  // of its values
  std::string_view (*value)(std::size_t index) = nullptr;
};
std::string_view command_label(std::size_t index);
std::string_view verdict_label(std::size_t index);
std::string_view proof_label(std::size_t index);
std::string_view login_label(std::size_t index);
std::string_view ending_label(std::size_t index);
std::string_view bound_label(std::size_t index);
std::string_view link_protocol_label(std::size_t index);
std::string_view link_failure_label(std::size_t index);
std::string_view reload_label(std::size_t index);
std::string_view version_label(std::size_t index);

struct MetricRow {
  enum class Kind : std::uint8_t { Counter, Gauge };
  Metric metric;
  Kind kind;
  std::string_view name;
  std::string_view help;
  Label first = {};
  Label second = {};
};

inline constexpr auto kCounter = MetricRow::Kind::Counter;
inline constexpr auto kGauge = MetricRow::Kind::Gauge;

// clang-format off: a table
inline constexpr auto kMetrics = std::to_array<MetricRow>({
    {Metric::Requests,             kCounter, "mcgate_requests_total",               "Requests that were decided", {"command", protocol::kCommandCount, command_label}, {"outcome", kVerdicts, verdict_label}},
    {Metric::MalformedRequests,    kCounter, "mcgate_malformed_requests_total",     "Requests that could not be understood, or came as text before the log-in"},
    {Metric::Logins,               kCounter, "mcgate_logins_total",                 "Log-ins that came to an end", {"proof", kLoginProofs, proof_label}, {"outcome", kLoginOutcomes, login_label}},
    {Metric::Sessions,             kGauge,   "mcgate_sessions",                     "Clients connected"},
    {Metric::Strangers,            kGauge,   "mcgate_strangers",                    "Clients connected that have not logged in"},
    {Metric::SessionsAccepted,     kCounter, "mcgate_sessions_accepted_total",      "Clients that were taken"},
    {Metric::SessionsClosed,       kCounter, "mcgate_sessions_closed_total",        "Sessions that have ended", {"reason", kEndings, ending_label}},
    {Metric::ClientsFromElsewhere, kCounter, "mcgate_clients_from_elsewhere_total", "Clients closed at once, as the listener's networks do not hold them"},
    {Metric::BytesReceived,        kCounter, "mcgate_client_received_bytes_total",  "Bytes from clients, after TLS"},
    {Metric::BytesSent,            kCounter, "mcgate_client_sent_bytes_total",      "Bytes to clients, before TLS"},
    {Metric::BytesWaiting,         kGauge,   "mcgate_client_waiting_bytes",         "Requests and replies that wait in sessions"},
    {Metric::BoundHits,            kCounter, "mcgate_bound_hits_total",             "How often a bound was reached", {"bound", kBounds, bound_label}},
    {Metric::UpstreamLinks,        kGauge,   "mcgate_upstream_links",               "Connections to memcached that are up, those for large values and streams aside", {"protocol", kLinkProtocols, link_protocol_label}},
    {Metric::UpstreamConnects,     kCounter, "mcgate_upstream_connects_total",      "Connections to memcached begun", {"protocol", kLinkProtocols, link_protocol_label}},
    {Metric::UpstreamFailures,     kCounter, "mcgate_upstream_failures_total",      "Connections to memcached that failed", {"reason", kLinkFailures, link_failure_label}},
    {Metric::RepliesLost,          kCounter, "mcgate_replies_lost_total",           "Requests that got an error, their connection to memcached being lost"},
    {Metric::LogLinesSuppressed,   kCounter, "mcgate_log_lines_suppressed_total",   "Log lines left out, being too many a second"},
    {Metric::LogLinesDropped,      kCounter, "mcgate_log_lines_dropped_total",      "Log lines lost, as nobody read them"},
    {Metric::AuditEventsDropped,   kCounter, "mcgate_audit_events_dropped_total",   "Events missing in the audit trail, as they could not be written in time"},
    {Metric::Workers,              kGauge,   "mcgate_workers",                      "Threads that serve clients"},
    {Metric::WorkersAccepting,     kGauge,   "mcgate_workers_accepting",            "Those of them that take new clients"},
    {Metric::Reloads,              kCounter, "mcgate_reloads_total",                "Times the configuration was read again", {"outcome", kReloadOutcomes, reload_label}},
    {Metric::Generation,           kGauge,   "mcgate_config_generation",            "1 for the configuration of the start, one more for each that took its place"},
    {Metric::Build,                kGauge,   "mcgate_build_info",                   "1, with the version", {"version", 1, version_label}},
});
// clang-format on

namespace detail {
constexpr std::size_t cells_of(const MetricRow& row) {
  return row.first.count * row.second.count;
}
constexpr bool in_order() {
  for (std::size_t i = 0; i < kMetrics.size(); ++i) {
    if (static_cast<std::size_t>(kMetrics[i].metric) != i) return false;
  }
  return true;
}
static_assert(in_order());
}  // namespace detail

constexpr const MetricRow& row(Metric metric) {
  return kMetrics[static_cast<std::size_t>(metric)];
}

// Where a metric's values begin in a block; one past the last metric, how many values there are.
constexpr std::size_t first_cell(std::size_t metric) {
  std::size_t cells = 0;
  for (std::size_t i = 0; i < metric; ++i) cells += detail::cells_of(kMetrics[i]);
  return cells;
}
inline constexpr std::size_t kCells = first_cell(kMetrics.size());

// One thread's values.
class alignas(64) Counters {
 public:
  // By the owning thread only. The labels are indices, or enums whose values are.
  template <Metric M, typename... Labels>
  void add(std::uint64_t count, Labels... labels) {
    // A load and a store, not an atomic addition: there is one writer.
    auto& cell = cells_[index<M>(labels...)];
    cell.store(cell.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  template <Metric M, typename... Labels>
  void subtract(std::uint64_t count, Labels... labels) {
    auto& cell = cells_[index<M>(labels...)];
    cell.store(cell.load(std::memory_order_relaxed) - count, std::memory_order_relaxed);
  }
  template <Metric M, typename... Labels>
  void set(std::uint64_t value, Labels... labels) {
    cells_[index<M>(labels...)].store(value, std::memory_order_relaxed);
  }
  // Any thread.
  std::uint64_t value(std::size_t cell) const { return cells_[cell].load(std::memory_order_relaxed); }

 private:
  template <Metric M>
  static constexpr std::size_t index() {
    static_assert(row(M).first.name.empty());
    return first_cell(static_cast<std::size_t>(M));
  }
  template <Metric M, typename First>
  static constexpr std::size_t index(First first) {
    static_assert(!row(M).first.name.empty() && row(M).second.name.empty());
    return first_cell(static_cast<std::size_t>(M)) + static_cast<std::size_t>(first);
  }
  template <Metric M, typename First, typename Second>
  static constexpr std::size_t index(First first, Second second) {
    static_assert(!row(M).second.name.empty());
    return first_cell(static_cast<std::size_t>(M)) + static_cast<std::size_t>(first) * row(M).second.count +
           static_cast<std::size_t>(second);
  }

  std::array<std::atomic<std::uint64_t>, kCells> cells_{};
};

// The blocks of all threads. Owned by serve().
class Metrics {
 public:
  // A block for one thread, which lives as long as this. Called before anyone reads.
  Counters& add_thread();
  // The sum of all blocks; the labels are indices.
  std::uint64_t sum(Metric metric, std::size_t first = 0, std::size_t second = 0) const;
  // In Prometheus's text format, 0.0.4.
  std::string render() const;

 private:
  std::vector<std::unique_ptr<Counters>> threads_;
};

}  // namespace mcgate::proxy
