// A worker: one thread, one event loop, its own listening sockets, sessions and upstream links. Nothing in
// it is locked but its inbox.
//
// A turn: wait for events and take them (bytes are read, requests parsed and put on links, replies matched),
// then write once for each link and once for each session that has something to say, then bury what died.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "auth/last_use.hpp"
#include "auth/login_runners.hpp"
#include "auth/remembered.hpp"
#include "auth/throttle.hpp"
#include "auth/usage.hpp"
#include "protocol/request.hpp"
#include "proxy/audit.hpp"
#include "proxy/handles.hpp"
#include "proxy/headcount.hpp"
#include "proxy/inbox.hpp"
#include "proxy/link.hpp"
#include "proxy/log.hpp"
#include "proxy/metrics.hpp"
#include "proxy/observed.hpp"
#include "proxy/rate.hpp"
#include "proxy/ring.hpp"
#include "proxy/session_id.hpp"
#include "proxy/snapshot.hpp"

namespace mcgate::proxy {

class Session;

// What all workers share. Created by serve(), outlives them.
struct Shared {
  const Log& log;
  auth::LoginRunners& runners;
  auth::LoginRunners& saslauthd_runners;  // those that wait for it, which hold up nobody else
  auth::Remembered& remembered;
  auth::Throttle& throttle;
  auth::LastUse& last_use;
  Metrics& metrics;
  Audit& audit;
  auth::Usages usages = {};
  std::atomic<std::size_t> sessions{0};
  std::atomic<std::size_t> strangers{0};  // of them, who have not logged in
  Headcount by_place{};
  // Sessions that gave back buffers, their own or a handshake's, since the kernel was last given what is
  // free.
  std::atomic<std::size_t> rested{0};
};

class Worker {
 public:
  // `listening` is parallel to the configuration's listeners.
  Worker(std::uint32_t number, Shared& shared, std::shared_ptr<const Snapshot> snapshot,
         std::vector<Fd> listening);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Serves until told to drain and drained. `on_accepting` is called once, when clients are accepted.
  void run(std::function<void()> on_accepting);
  const std::shared_ptr<Inbox>& inbox() const { return inbox_; }

  // Messages.
  void drain();  // no new clients; each session ends when what it asked for is answered
  void stop();   // now
  // From now on this configuration holds, for the sessions there are as for those to come.
  void adopt(std::shared_ptr<const Snapshot> snapshot);

  // For sessions and links.
  event_base* base() const { return base_.get(); }
  std::uint32_t number() const { return number_; }
  Shared& shared() const { return shared_; }
  const Log& log() const { return shared_.log; }
  Counters& counters() { return counters_; }
  // The budget of log lines that clients can cause.
  RateLimit& client_log() { return client_log_; }
  // A client has reached a bound: counted, and logged with the bound's key at a bounded rate.
  void reached(Bound bound, const auth::Peer& peer, std::string_view user);
  // A session holds more or less than it did, or is or is not a stranger any more.
  void hold(std::size_t before, std::size_t now) { held_ += now - before; }
  void count_stranger(bool one_more);
  // Counts a session to its client's place, once; false if that has as many as it may.
  bool count_client(SessionId id, const auth::Peer& client);
  const Snapshot& snapshot() const { return *snapshot_; }
  const conf::Config& config() const { return snapshot_->config; }
  // The time of this turn: taken when first asked for.
  Clock::time_point now() {
    if (!now_) now_ = Clock::now();
    return *now_;
  }
  Observed& observed() { return observed_; }
  protocol::Request& request() { return request_; }
  std::span<char> raw() { return raw_; }
  std::span<char> plain() { return plain_; }
  BIO* tls_bio() const { return tls_bio_.get(); }
  // Where replies go whose session is gone; emptied each time.
  std::string& discard();
  // Null if it is gone.
  Session* session(SessionId id) const;
  std::size_t sessions() const { return sessions_; }
  // The link that a session's requests of that dialect take.
  Link& link_for(SessionId id, protocol::Dialect dialect);
  // That of all sessions whose values are large, behind which nobody else is to wait. It comes up once it has
  // been asked for, and may be down at any time.
  Link& link_for_large_values(protocol::Dialect dialect);
  // Gives a session a link of its own for a stream; null if all are taken.
  Link* lease(SessionId id, const protocol::Request& request);
  void end_lease(SessionId id);
  // Something is to be written before the turn ends.
  void mark(SessionId id);
  // Something happens to the session, so that its time-outs are to be looked at again.
  void look_at(SessionId id) { places_[id.index].look_at = {}; }
  void mark(Link& link);
  // The session has had its share of this turn, and goes on in the next.
  void postpone(SessionId id) { postponed_sessions_.push_back(id); }
  std::uint32_t turn() const { return turn_; }
  // The session's TLS handshake can take a step, which costs as much as a hundred requests. It is told to
  // when all that others have to say in this turn is on its way, and those have had theirs who came before
  // it.
  void await_handshake(SessionId id) { awaiting_handshake_.push() = id; }
  // There is a session that has been served and asks for more, which should not wait for many handshakes.
  void note_service() { served_at_ = now(); }
  // The session is dead to everyone from now on; destroyed when the turn ends.
  void bury(SessionId id);

 private:
  struct Place {
    std::unique_ptr<Session> session;
    std::uint32_t generation = 0;
    bool marked = false;
    std::optional<auth::PeerPlace> counted;  // in Shared::by_place; none until a proxy has said who it is
    Clock::time_point look_at{};             // when its time-outs need looking at; the epoch: at each tick
  };
  struct Acceptor {
    Worker* worker;
    std::size_t listener;
    Fd fd;
    EventPtr event;
    void on_acceptable();
  };

  void on_inbox();
  void on_tick();
  void on_pause_over();
  bool accept_next(Acceptor& acceptor);
  void start_accepting();
  void stop_accepting();
  void admit(std::size_t listener, Fd fd, const auth::Peer& peer);
  // The bound that keeps a newcomer out, if one does.
  std::optional<Bound> no_room() const;
  void uncount_client(Place& place);
  void on_no_descriptors(const Acceptor& acceptor, std::string_view reason);
  // The machine has no more for a newcomer: counted, and logged at a bounded rate.
  void turned_away(Bound bound, std::string_view reason);
  // Closes the sessions that hold most, until limits.worker_bytes is kept.
  void make_room();
  void end_turn();
  // Whether the worker may sleep until an event comes: all that this turn has brought is done.
  bool nothing_is_left() const;
  void write_all();
  void shake_hands();
  bool links_tried() const;

  const std::uint32_t number_;
  Shared& shared_;
  Counters& counters_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::shared_ptr<Inbox> inbox_;
  EventBasePtr base_;
  EventPtr inbox_event_;
  EventPtr tick_event_;
  EventPtr pause_event_;
  std::function<void()> on_accepting_;
  bool accepting_ = false;
  bool draining_ = false;
  bool stopped_ = false;
  Clock::time_point drain_by_;
  std::optional<Clock::time_point> now_;
  RateLimit client_log_;
  std::vector<RateLimit> bound_log_;  // by Bound: none takes another's lines
  Fd reserve_;                        // given up for a moment to tell a newcomer that there are none left
  std::size_t held_ = 0;              // bytes waiting in sessions
  Observed observed_;

  std::vector<char> raw_;
  std::vector<char> plain_;
  BioPtr tls_bio_;
  std::string discard_;
  protocol::Request request_;

  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::vector<std::unique_ptr<Link>> text_links_;
  std::vector<std::unique_ptr<Link>> binary_links_;
  std::unique_ptr<Link> large_text_link_;
  std::unique_ptr<Link> large_binary_link_;
  std::vector<std::unique_ptr<Link>> leased_;
  std::vector<Place> places_;
  std::vector<std::uint32_t> free_places_;
  std::size_t sessions_ = 0;
  std::uint32_t turn_ = 1;
  Ring<SessionId> awaiting_handshake_;
  Clock::time_point served_at_;
  std::vector<SessionId> postponed_sessions_;
  std::vector<SessionId> marked_sessions_;
  std::vector<SessionId> flushed_sessions_;  // the same of the round at hand; empty between rounds
  std::vector<Link*> marked_links_;
  // What died this turn; destroyed when no callback of theirs can be running.
  std::vector<std::unique_ptr<Session>> dead_sessions_;
  std::vector<std::unique_ptr<Link>> dead_links_;
};

}  // namespace mcgate::proxy
