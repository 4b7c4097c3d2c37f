// One client: a connection that logs in, has one get answered, and then sends batch after batch of requests,
// each as one write, the next when all of the one before are answered. Owned by Load, which says what to do
// next.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tests/bench/loadgen/dialect.hpp"
#include "tests/bench/loadgen/report.hpp"
#include "tests/bench/loadgen/stream.hpp"
#include "tests/bench/loadgen/workload.hpp"

namespace mcgate::bench {

class Client {
 public:
  using Clock = std::chrono::steady_clock;

  // Told when a client needs to know what is next. Each is the last thing a client does in its turn, so that
  // it may be opened, or given work, from within.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_set_up(Client& client) = 0;  // logged in, and one get was answered
    virtual void on_answered(Client& client) = 0;
    virtual void on_rested(Client& client) = 0;  // a pause is over
    virtual void on_lost(Client& client) = 0;
  };

  struct Context {
    const Options& options;
    event_base* base;
    SSL_CTX* tls;
    Workload& workload;
    Report& report;
    Owner& owner;
  };
  explicit Client(const Context& context) : with_{context} {}

  // Connects, shakes hands and logs in. One that was open is closed before.
  void open();
  // Sends up to `most` requests of the workload; false if it has none left.
  bool send_batch(std::size_t most);
  // Asks its owner again what is next, after a while.
  void pause(std::chrono::microseconds span);

  bool is_open() const { return stream_.has_value(); }
  Clock::time_point opened() const { return opened_; }

 private:
  enum class Phase { LoggingIn, Warming, Serving };

  void close();
  void lose(std::string_view what);
  void send();
  void begin(Phase phase);
  void on_readable();
  void on_writable();
  void on_batch_answered();
  void on_pause_over();
  void take_item(const Item& item);
  void take_value(Request& request, const Item& item);
  void answered(const Request& request);
  bool go_on(Stream::Progress progress);

  Context with_;
  std::optional<Stream> stream_;
  SslSessionPtr session_;
  proxy::EventPtr readable_;
  proxy::EventPtr writable_;
  proxy::EventPtr pause_;
  Phase phase_ = Phase::LoggingIn;
  std::string in_;
  std::string out_;
  std::string_view unsent_;  // the rest of out_
  std::vector<Request> batch_;
  std::size_t in_batch_ = 0;  // those of batch_ that were sent; the rest is kept for its memory
  std::size_t answered_ = 0;
  Clock::time_point opened_;
  Clock::time_point sent_;
};

}  // namespace mcgate::bench
