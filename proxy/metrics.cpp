#include "proxy/metrics.hpp"

#include <fmt/format.h>

#include <iterator>

#include "auth/identity.hpp"

namespace mcgate::proxy {
namespace {

std::string labels(const MetricRow& row, std::size_t first, std::size_t second) {
  std::string text;
  const auto append = [&text](const Label& label, std::size_t index) {
    if (label.name.empty()) return;
    fmt::format_to(std::back_inserter(text), "{}{}=\"{}\"", text.empty() ? "{" : ",", label.name,
                   label.value(index));
  };
  append(row.first, first);
  append(row.second, second);
  if (!text.empty()) text.push_back('}');
  return text;
}

}  // namespace

std::string_view command_label(std::size_t index) {
  return protocol::row(static_cast<protocol::Command>(index)).name;
}

std::string_view verdict_label(std::size_t index) {
  switch (static_cast<Verdict>(index)) {
    case Verdict::Allowed:
      return "allowed";
    case Verdict::Denied:
      return "denied";
    case Verdict::Unauthenticated:
      return "unauthenticated";
    case Verdict::Limited:
      return "limited";
  }
  return {};
}

std::string_view proof_label(std::size_t index) {
  return index == kUnknownProof ? "unknown" : auth::name(static_cast<auth::Proof>(index));
}
static_assert(kUnknownProof == static_cast<std::size_t>(auth::Proof::UnixPeer) + 1);

std::string_view login_label(std::size_t index) {
  switch (static_cast<LoginOutcome>(index)) {
    case LoginOutcome::Granted:
      return "granted";
    case LoginOutcome::Refused:
      return "refused";
  }
  return {};
}

std::string_view ending_label(std::size_t index) {
  switch (static_cast<Ending>(index)) {
    case Ending::Client:
      return "client";
    case Ending::Lost:
      return "lost";
    case Ending::Bound:
      return "bound";
    case Ending::Protocol:
      return "protocol";
    case Ending::Logins:
      return "logins";
    case Ending::Revoked:
      return "revoked";
    case Ending::Unwritten:
      return "unwritten";
    case Ending::Stopping:
      return "stopping";
  }
  return {};
}

std::string_view name(Bound bound) {
  switch (bound) {
    case Bound::Sessions:
      return "limits.sessions";
    case Bound::AddressSessions:
      return "limits.sessions_per_address";
    case Bound::Strangers:
      return "limits.strangers";
    case Bound::SessionOutput:
      return "limits.session_output_bytes";
    case Bound::WorkerBytes:
      return "limits.worker_bytes";
    case Bound::RequestsInFlight:
      return "limits.requests_in_flight";
    case Bound::LinkOutput:
      return "limits.link_output_bytes";
    case Bound::Streams:
      return "limits.streams";
    case Bound::LoginQueue:
      return "login.queue";
    case Bound::LoginThrottle:
      return "login.throttle";
    case Bound::HandshakeTime:
      return "timeouts.handshake_seconds";
    case Bound::LoginTime:
      return "timeouts.login_seconds";
    case Bound::RequestTime:
      return "timeouts.request_seconds";
    case Bound::WriteTime:
      return "timeouts.write_seconds";
    case Bound::WriteRate:
      return "limits.write_bytes_per_second";
    case Bound::IdleTime:
      return "timeouts.idle_seconds";
    case Bound::Ahead:
      return "ahead";
    case Bound::Descriptors:
      return "descriptors";
    case Bound::Memory:
      return "memory";
    case Bound::ValueBytes:
      return "limits.value_bytes";
    case Bound::Keys:
      return "limits.keys_per_request";
    case Bound::Ttl:
      return "limits.ttl_seconds";
    case Bound::Requests:
      return "limits.requests_per_second";
    case Bound::Bytes:
      return "limits.bytes_per_second";
    case Bound::Connections:
      return "limits.connections";
  }
  return {};
}

std::string_view bound_label(std::size_t index) {
  return name(static_cast<Bound>(index));
}

std::string_view link_protocol_label(std::size_t index) {
  return index == link_protocol(protocol::Dialect::Binary) ? "binary" : "text";
}

std::string_view link_failure_label(std::size_t index) {
  switch (static_cast<LinkFailure>(index)) {
    case LinkFailure::Connect:
      return "connect";
    case LinkFailure::Lost:
      return "lost";
    case LinkFailure::Timeout:
      return "timeout";
    case LinkFailure::Poisoned:
      return "poisoned";
  }
  return {};
}

std::string_view reload_label(std::size_t index) {
  switch (static_cast<ReloadOutcome>(index)) {
    case ReloadOutcome::Adopted:
      return "adopted";
    case ReloadOutcome::Refused:
      return "refused";
  }
  return {};
}

std::string_view version_label(std::size_t) {
  return MCGATE_VERSION;
}

Counters& Metrics::add_thread() {
  threads_.push_back(std::make_unique<Counters>());
  return *threads_.back();
}

std::uint64_t Metrics::sum(Metric metric, std::size_t first, std::size_t second) const {
  const std::size_t cell =
      first_cell(static_cast<std::size_t>(metric)) + first * row(metric).second.count + second;
  std::uint64_t total = 0;
  for (const auto& thread : threads_) total += thread->value(cell);
  return total;
}

std::string Metrics::render() const {
  std::string text;
  for (const MetricRow& row : kMetrics) {
    fmt::format_to(std::back_inserter(text), "# HELP {} {}\n# TYPE {} {}\n", row.name, row.help, row.name,
                   row.kind == kCounter ? "counter" : "gauge");
    for (std::size_t first = 0; first < row.first.count; ++first) {
      for (std::size_t second = 0; second < row.second.count; ++second)
        fmt::format_to(std::back_inserter(text), "{}{} {}\n", row.name, labels(row, first, second),
                       sum(row.metric, first, second));
    }
  }
  return text;
}

}  // namespace mcgate::proxy
