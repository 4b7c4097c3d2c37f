#include "proxy/metrics.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>

#include "auth/identity.hpp"

using namespace mcgate;
using namespace mcgate::proxy;

TEST_CASE("docs/metrics.md has a line for each metric, and no other") {
  std::ifstream file{std::string{MCGATE_SOURCE_DIR} + "/docs/metrics.md"};
  REQUIRE(file.is_open());
  const std::string page{std::istreambuf_iterator<char>{file}, {}};
  std::string expected = "| --- | --- | --- |\n";
  for (const MetricRow& row : kMetrics) {
    expected.append("| `").append(row.name).append("` |");
    if (!row.first.name.empty()) expected.append(" `").append(row.first.name).append("`");
    if (!row.second.name.empty()) expected.append(", `").append(row.second.name).append("`");
    expected.append(" | ").append(row.help).append(" |\n");
  }
  CHECK(page.find(expected + "\n") != std::string::npos);
}

TEST_CASE("names are Prometheus's: counters end in _total, gauges do not") {
  std::set<std::string_view> names;
  for (const MetricRow& row : kMetrics) {
    CAPTURE(row.name);
    CHECK(row.name.starts_with("mcgate_"));
    CHECK(row.name.ends_with("_total") == (row.kind == kCounter));
    CHECK(row.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos);
    CHECK(names.insert(row.name).second);
  }
}

TEST_CASE("each value of a label has a name of its own that needs no escape") {
  for (const MetricRow& row : kMetrics) {
    for (const Label& label : {row.first, row.second}) {
      CAPTURE(row.name);
      CAPTURE(label.name);
      if (label.name.empty()) continue;
      std::set<std::string_view> values;
      for (std::size_t i = 0; i < label.count; ++i) {
        const std::string_view value = label.value(i);
        CAPTURE(value);
        CHECK_FALSE(value.empty());
        CHECK(value.find_first_of("\"\\\n") == std::string_view::npos);
        CHECK(values.insert(value).second);
      }
    }
  }
}

TEST_CASE("what threads count is summed, each in its own cell") {
  Metrics metrics;
  Counters& one = metrics.add_thread();
  Counters& two = metrics.add_thread();
  one.add<Metric::Requests>(2, protocol::Command::Set, Verdict::Denied);
  two.add<Metric::Requests>(3, protocol::Command::Set, Verdict::Denied);
  two.add<Metric::Requests>(1, protocol::Command::SaslStep, Verdict::Unauthenticated);
  one.add<Metric::MalformedRequests>(7);
  one.add<Metric::Logins>(1, auth::Proof::Plain, LoginOutcome::Granted);
  one.set<Metric::Sessions>(5);
  two.set<Metric::Sessions>(6);
  one.add<Metric::UpstreamLinks>(2, link_protocol(protocol::Dialect::Binary));
  one.subtract<Metric::UpstreamLinks>(1, link_protocol(protocol::Dialect::Binary));

  const auto set = static_cast<std::size_t>(protocol::Command::Set);
  CHECK(metrics.sum(Metric::Requests, set, static_cast<std::size_t>(Verdict::Denied)) == 5);
  CHECK(metrics.sum(Metric::Requests, set, static_cast<std::size_t>(Verdict::Allowed)) == 0);
  CHECK(metrics.sum(Metric::Sessions) == 11);

  const std::string text = metrics.render();
  for (const char* line :
       {"# TYPE mcgate_requests_total counter\n", "# TYPE mcgate_sessions gauge\n",
        "mcgate_requests_total{command=\"set\",outcome=\"denied\"} 5\n",
        "mcgate_requests_total{command=\"set\",outcome=\"allowed\"} 0\n",
        "mcgate_malformed_requests_total 7\n", "mcgate_logins_total{proof=\"PLAIN\",outcome=\"granted\"} 1\n",
        "mcgate_upstream_links{protocol=\"binary\"} 1\n", "mcgate_upstream_links{protocol=\"text\"} 0\n",
        "mcgate_sessions 11\n"}) {
    CAPTURE(line);
    CHECK(text.find(line) != std::string::npos);
  }
  // One line for each cell and two for each metric, and the sum of all is what was counted.
  CHECK(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) == kCells + 2 * kMetrics.size());
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kCells; ++i) total += one.value(i) + two.value(i);
  CHECK(total == 5 + 1 + 7 + 1 + 11 + 1);
}

TEST_CASE("a reader on another thread sees whole values that only grow") {
  constexpr std::uint64_t kMost = 100'000;
  Metrics metrics;
  Counters& counters = metrics.add_thread();
  const std::jthread writer{[&counters] {
    for (std::uint64_t i = 0; i < kMost; ++i) counters.add<Metric::BytesSent>(1);
  }};
  std::uint64_t last = 0;
  while (last < kMost) {
    const std::uint64_t now = metrics.sum(Metric::BytesSent);
    REQUIRE(now >= last);
    last = now;
  }
}
