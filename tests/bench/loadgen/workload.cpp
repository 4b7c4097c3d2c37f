#include "tests/bench/loadgen/workload.hpp"

#include "tests/bench/loadgen/dialect.hpp"

namespace mcgate::bench {

Workload::Workload(const Options& options)
    : options_{options},
      keys_{options.value_size},
      random_{options.seed},
      key_{0, static_cast<std::uint32_t>(options.keys - 1)},
      set_{options.set_share},
      left_{options.requests} {}

bool Workload::take_one() {
  if (left_ == 0) return false;
  --left_;
  return true;
}

void Workload::choose_keys(Request& request, std::size_t count) {
  request.seen = 0;
  request.hits = 0;
  request.keys.resize(count);
  for (std::string& key : request.keys) {
    key.clear();
    keys_.write_key(options_.mode == Mode::Fill ? next_to_fill_++ : key_(random_), key);
  }
}

bool Workload::next(Request& request, std::string& out) {
  if (!take_one()) return false;
  if (options_.mode == Mode::Fill || set_(random_)) {
    request.kind = Request::Kind::Set;
    choose_keys(request, 1);
    value_.clear();
    keys_.write_value(request.keys[0], value_);
    write_set(options_.dialect, request.keys[0], value_, out);
  } else {
    request.kind = Request::Kind::Get;
    choose_keys(request, options_.keys_per_get);
    write_get(options_.dialect, request.keys, out);
  }
  return true;
}

void Workload::warm_up(Request& request, std::string& out) {
  request.kind = Request::Kind::Get;
  request.seen = 0;
  request.hits = 0;
  request.keys.resize(1);
  request.keys[0].clear();
  keys_.write_key(key_(random_), request.keys[0]);
  write_get(options_.dialect, request.keys, out);
}

void Workload::log_in(Request& request, std::string& out) const {
  request.kind = Request::Kind::Login;
  write_login(options_.login, options_.user, options_.password, out);
}

}  // namespace mcgate::bench
