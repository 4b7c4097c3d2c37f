#include "tests/bench/loadgen/report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace mcgate::bench {
namespace {

float percentile(const std::vector<float>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

}  // namespace

void Report::add_error(std::string_view what) {
  if (errors++ == 0) first_error = what;
}

std::string Report::to_json() {
  std::ranges::sort(latencies);
  const nlohmann::ordered_json json{{"requests", requests},
                                    {"seconds", took.count()},
                                    {"p50_us", percentile(latencies, 0.5)},
                                    {"p99_us", percentile(latencies, 0.99)},
                                    {"errors", errors},
                                    {"misses", misses},
                                    {"wrong", wrong},
                                    {"resumed", resumed},
                                    {"first_error", first_error},
                                    {"tls", tls}};
  // What a server says need not be UTF-8.
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace mcgate::bench
