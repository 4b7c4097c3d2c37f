// One connection to memcached, shared by all sessions of a worker that speak its dialect, or by those of them
// whose values are large, or leased to one session for a stream. Owned by the worker, used on its thread.
//
// Requests go out in one write a turn and are answered in order. Each reply is proven to be of its request;
// at the first that is not, the link is closed and all that waited on it learn so. A shared link comes back
// by itself; a leased one ends with its stream.
#pragma once

#include <bitset>
#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/answer.hpp"
#include "protocol/reply.hpp"
#include "proxy/buffer.hpp"
#include "proxy/handles.hpp"
#include "proxy/metrics.hpp"
#include "proxy/ring.hpp"
#include "proxy/session_id.hpp"

namespace mcgate::proxy {

class Worker;
using Clock = std::chrono::steady_clock;

class Link {
 public:
  // Whose requests it takes.
  enum class Use : std::uint8_t { Usual, LargeValues };
  // A shared link of that dialect's protocol (Text stands for text and meta).
  Link(Worker& worker, protocol::Dialect dialect, Use use = Use::Usual);
  // A link leased to a session for one request; `as_seen_by` is the shared link that its version is taken
  // from, and another version there is a failure.
  Link(Worker& worker, SessionId lessee, const protocol::Request& request, const Link& as_seen_by);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void connect();

  // Whether requests can be sent now. While not, clients get an error at once.
  bool ready() const { return state_ == State::Ready; }
  // Whether the first attempt to connect has come to an end, either way.
  bool tried() const { return tried_; }
  const protocol::Version& version() const { return version_; }
  const std::string& version_text() const { return version_text_; }
  // More waits to be sent than the configuration allows; sessions hold back until it has gone.
  bool congested() const;
  // Has the session go on once it has: each in its turn, and only as long as there is room. To be asked for
  // once until then.
  void wake_when_clear(SessionId session);

  // Sends a request on behalf of a session (which counts it as asked). Requires ready().
  // `window_goes_on`: it is a part of a get, whose other parts follow.
  void send(const protocol::Request& request, SessionId session, bool window_goes_on = false);

  // Writes what the turn has brought.
  void flush();
  // Looks at time-outs.
  void tick(Clock::time_point now);
  // A leased link stops reading while its session's client does not drain what there is.
  void set_reading(bool reading);
  // The lessee of a leased link, none of a shared one.
  std::optional<SessionId> lessee() const { return lessee_; }
  // A leased link that has ended; its worker buries it.
  bool over() const { return state_ == State::Down && lessee_.has_value(); }

 private:
  enum class State : std::uint8_t { Down, Connecting, Probing, Ready };
  struct Pending {
    SessionId session;
    protocol::Expected expected;
    std::size_t keys = 1;         // what the session counts it as
    std::uint64_t begins_at = 0;  // in the bytes of this connection
    Clock::time_point sent_at;
  };

  // Whether a request goes onto the get line that ends the output, and if so notes its key there.
  bool joins_line(const protocol::Request& request, bool window_goes_on);
  void end_line();
  // The worker is to flush it when the turn ends.
  void mark();
  void wake_held_back();
  // Whether the time that a reply may take is for all of it, not for each of its parts: of statistics there
  // is no saying how many will come, and all others wait behind them.
  bool must_be_quick(const protocol::Expected& expected) const;
  // How long memcached may be silent. For ever where a watch has begun, and while we do not read.
  std::optional<Clock::duration> patience(const protocol::Expected& expected) const;

  void on_readable();
  void on_writable();
  // Both return how much of `input` is used, or nothing when the link failed meanwhile.
  std::optional<std::size_t> read_probe(std::string_view input);
  std::optional<std::size_t> read_replies(std::string_view input);
  void take(std::string_view fresh);
  // Closes the connection and tells all that wait on it. `refusal` is what they are told.
  void fail(LinkFailure failure, std::string_view reason,
            protocol::Refusal refusal = protocol::Refusal::UpstreamDown);
  void close(protocol::Refusal refusal);
  // Whether its being up is mcgate's being ready: without the others, their sessions use this one.
  bool serves_all() const { return !lessee_ && use_ == Use::Usual; }
  std::string_view dialect_name() const;
  std::string_view use_name() const;

  // --- coming up (link_connect.cpp)
  void on_retry();
  void start_probe();
  void become_ready(const protocol::ProbeAnswer& answer);
  void log_down(std::string_view reason);
  // A link that was up is lost.
  void begin_backoff();
  void schedule_retry();

  Worker& worker_;
  const protocol::Dialect dialect_;
  const Use use_;
  State state_ = State::Down;
  bool tried_ = false;
  bool was_up_ = false;  // for the log: tells a loss from a failure to come up
  Fd fd_;
  EventPtr read_event_;
  EventPtr write_event_;
  EventPtr retry_event_;
  std::chrono::milliseconds backoff_{0};
  Clock::time_point began_;  // of connecting and probing
  Clock::time_point ready_since_;
  std::string down_reason_;  // as it was last logged
  protocol::Version version_;
  std::string version_text_;
  protocol::Sequence sequence_;
  std::uint64_t written_ = 0;  // bytes the socket took
  Buffer input_;
  std::size_t wanted_ = 0;  // input bytes before parsing again makes sense
  Buffer output_;
  // The get line that ends the output and may still grow: its command, and its keys' hashes. Empty: none.
  protocol::Command line_command_ = protocol::Command::Get;
  std::vector<std::size_t> line_keys_;
  std::bitset<1024> line_has_;  // by the hashes' last bits: spares most searches of line_keys_
  Ring<Pending> pending_;
  std::deque<SessionId> held_back_;  // in order; who is gone meanwhile may still be there
  bool reading_ = false;
  bool marked_ = false;

  // Of a leased link.
  std::optional<SessionId> lessee_;
  std::string leased_request_;
  protocol::Expected leased_expected_;
};

}  // namespace mcgate::proxy
