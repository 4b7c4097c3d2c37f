#include "tests/bench/loadgen/load.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace mcgate::bench {
namespace {

// More handshakes and log-ins at a time would only wait in the server's backlog.
constexpr std::size_t kOpeningAtOnce = 64;
// Room for so many latencies is made beforehand, so that making it is not measured.
constexpr std::size_t kMostForeseen = 10'000'000;

}  // namespace

Load::Load(const Options& options, event_base* base, SSL_CTX* tls)
    : options_{options}, base_{base}, tls_{tls}, workload_{options}, random_{options.seed} {
  report_.latencies.reserve(std::min(options.requests, kMostForeseen));
  word_ = proxy::make_event<&Load::on_word>(base, STDIN_FILENO, EV_READ, this);
}

Report& Load::run() {
  const timeval timeout = proxy::to_timeval(options_.timeout);
  event_base_loopexit(base_, &timeout);
  for (std::size_t i = 0; i < kOpeningAtOnce; ++i) open_next();
  event_base_dispatch(base_);
  if (!ended_) report_.add_error("gave up waiting");
  return report_;
}

void Load::open_next() {
  if (clients_.size() == options_.connections) return;
  clients_.push_back(
      std::make_unique<Client>(Client::Context{options_, base_, tls_, workload_, report_, *this}));
  clients_.back()->open();
}

void Load::on_set_up(Client& client) {
  if (!begun_) {
    ++set_up_;
    open_next();
    return set_up_if_all_are();
  }
  // Once begun, only handshakes open connections: this was one of them.
  ++report_.requests;
  report_.latencies.push_back(
      std::chrono::duration<float, std::micro>(Client::Clock::now() - client.opened()).count());
  give_work(client);
}

void Load::on_answered(Client& client) {
  rest_and_work(client);
}

void Load::on_rested(Client& client) {
  give_work(client);
}

void Load::on_lost(Client&) {
  ++lost_;
  if (!begun_) {
    open_next();
    return set_up_if_all_are();
  }
  if (--working_ == 0) end();
}

void Load::set_up_if_all_are() {
  if (set_up_ + lost_ != options_.connections) return;
  if (!options_.hold) return begin();
  std::puts("ready");
  std::fflush(stdout);
  event_add(word_.get(), nullptr);
}

void Load::on_word() {
  std::array<char, 64> line{};
  if (::read(STDIN_FILENO, line.data(), line.size()) <= 0) report_.add_error("stdin was closed");
  begin();
}

void Load::begin() {
  begun_ = true;
  report_.resumed = 0;
  begun_at_ = Client::Clock::now();
  ++working_;  // this function itself, so that nothing ends before all have begun
  for (const auto& client : clients_) {
    if (!client->is_open()) continue;
    ++working_;
    rest_and_work(*client);
  }
  if (--working_ == 0) end();
}

// Clients that have nothing to do with each other: were they all to rest as long, those that were once kept
// waiting together would come together ever after, and wait for each other.
void Load::rest_and_work(Client& client) {
  if (options_.pause.count() == 0) return give_work(client);
  const std::chrono::microseconds most = 2 * options_.pause;
  client.pause(std::chrono::microseconds{std::uniform_int_distribution{0L, most.count()}(random_)});
}

void Load::give_work(Client& client) {
  if (options_.mode == Mode::Handshakes) {
    if (workload_.take_one()) return client.open();
  } else if (client.send_batch(options_.pipeline)) {
    return;
  }
  if (--working_ == 0) end();
}

void Load::end() {
  report_.took = Client::Clock::now() - begun_at_;
  ended_ = true;
  event_base_loopbreak(base_);
}

}  // namespace mcgate::bench
