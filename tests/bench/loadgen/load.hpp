// All clients and their event loop, on the one thread there is: sets all of them up, waits for the word if
// told to, lets them send what the workload has, and ends when all of it is answered.
#pragma once

#include <memory>
#include <random>
#include <vector>

#include "tests/bench/loadgen/client.hpp"

namespace mcgate::bench {

class Load final : public Client::Owner {
 public:
  Load(const Options& options, event_base* base, SSL_CTX* tls);

  // Runs to the end, or to the time-out, which counts as an error. The connections stay open until Load goes.
  Report& run();

 private:
  void on_set_up(Client& client) override;
  void on_answered(Client& client) override;
  void on_rested(Client& client) override;
  void on_lost(Client& client) override;

  void open_next();
  void set_up_if_all_are();
  void on_word();
  void begin();
  void rest_and_work(Client& client);
  void give_work(Client& client);
  void end();

  const Options& options_;
  event_base* base_;
  SSL_CTX* tls_;
  Workload workload_;
  std::mt19937 random_;  // how long clients rest
  Report report_;
  std::vector<std::unique_ptr<Client>> clients_;
  proxy::EventPtr word_;  // on stdin
  std::size_t set_up_ = 0;
  std::size_t lost_ = 0;
  std::size_t working_ = 0;
  bool begun_ = false;
  bool ended_ = false;
  Client::Clock::time_point begun_at_;
};

}  // namespace mcgate::bench
