// What has been counted, and how it is told: one JSON object.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace mcgate::bench {

struct Report {
  std::uint64_t requests = 0;  // answered, rightly or not
  std::uint64_t errors = 0;    // error replies, and connections lost
  std::uint64_t misses = 0;    // keys that were not found
  std::uint64_t wrong = 0;     // values that are not those of their key
  std::uint64_t resumed = 0;   // handshakes
  std::string first_error;
  std::string tls;               // version and cipher of the first connection
  std::vector<float> latencies;  // microseconds, one per request
  std::chrono::duration<double> took{};

  void add_error(std::string_view what);
  // Sorts the latencies.
  std::string to_json();
};

}  // namespace mcgate::bench
