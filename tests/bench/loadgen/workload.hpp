// What is to be asked next. One for all clients; it knows how many requests are left.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/bench/loadgen/keys.hpp"
#include "tests/bench/loadgen/options.hpp"

namespace mcgate::bench {

struct Request {
  enum class Kind { Login, Get, Set };
  Kind kind = Kind::Get;
  std::vector<std::string> keys;
  std::size_t seen = 0;  // the keys before this one have been answered or passed over
  std::size_t hits = 0;
};

class Workload {
 public:
  explicit Workload(const Options& options);

  // Makes `request` the next one and writes it to `out`; false, and nothing, if there are no more.
  bool next(Request& request, std::string& out);
  // A get of one key that counts as none of the requests.
  void warm_up(Request& request, std::string& out);
  void log_in(Request& request, std::string& out) const;
  // For requests that are made elsewhere; false if there are no more.
  bool take_one();

  const Keys& keys() const { return keys_; }

 private:
  void choose_keys(Request& request, std::size_t count);

  const Options& options_;
  Keys keys_;
  std::mt19937 random_;
  std::uniform_int_distribution<std::uint32_t> key_;
  std::bernoulli_distribution set_;
  std::uint64_t left_;
  std::uint32_t next_to_fill_ = 0;
  std::string value_;
};

}  // namespace mcgate::bench
