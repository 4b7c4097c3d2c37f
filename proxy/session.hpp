// A client's connection: carries out what is decided of its requests. Owned by its worker, used on its
// thread.
//
// The order of replies lives in the reply queue, access in decide() and the policy, credentials in the
// exchange, bytes in the transport; the session moves between its phases, each of which carries what it
// needs and nothing else, so that a serving session without an identity cannot be written down.
#pragma once

#include <cstdint>
#include <ctime>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "auth/sasl.hpp"
#include "auth/usage.hpp"
#include "protocol/answer.hpp"
#include "protocol/reply.hpp"
#include "protocol/request.hpp"
#include "proxy/audit_event.hpp"
#include "proxy/decide.hpp"
#include "proxy/link.hpp"
#include "proxy/login_attempt.hpp"
#include "proxy/metrics.hpp"
#include "proxy/reply_queue.hpp"
#include "proxy/session_id.hpp"
#include "proxy/snapshot.hpp"
#include "proxy/transport.hpp"

namespace mcgate::proxy {

class Worker;

// What a log-in runner sends back: the attempt, and what came of it; nothing if it found that so many had
// failed meanwhile that this one must wait first.
struct LoginResult {
  LoginAttempt attempt;
  std::optional<LoginAttempt::Result> result;
};

// Wipes a message that may hold a password where it was received: it views a buffer of our own.
void wipe_in_place(std::string_view message);

class Session {
 public:
  Session(Worker& worker, SessionId id, std::size_t listener, Fd fd, const auth::Peer& peer);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();
  // Begins, once its worker has it: it may have to be closed at once.
  void start();

  // --- called by links. `keys` is what the request at the head was counted as.
  std::string& reply_head() { return queue_.head(); }
  // `bytes`: how many of the reply have been read.
  void on_reply_part(std::size_t bytes);
  void on_reply_end(std::size_t keys, std::size_t bytes);
  // The request at the head got no reply; it may have been carried out if any of it was sent.
  void on_reply_lost(const protocol::Expected& expected, std::size_t keys, protocol::Refusal refusal,
                     bool was_sent);
  void on_lease_over();
  // Its stream's own link has failed.
  void log_lost_stream(std::string_view reason) const;
  // There is room on its link, or the link is gone.
  void on_link_clear();

  // --- called by the worker
  void on_login_result(LoginResult result);
  // Its handshake is to take its next step.
  void shake_hands();
  // The end of a turn: goes on with what was held back, writes what there is to say.
  void flush();
  // Looks at time-outs. When to look again, if nothing happens to the session before.
  Clock::time_point tick(Clock::time_point now);
  // Bytes of input and output that wait here, as they were at the end of its last turn.
  std::size_t held() const { return held_; }
  // The worker holds too much, and of that this holds most.
  void close_for_room() { close_at(Bound::WorkerBytes); }
  // Answers what was asked and ends.
  void drain();
  // The worker's snapshot is another: who may no longer be here, or be who it was, is closed.
  void on_new_snapshot();

 private:
  struct Handshaking {};
  // Nobody yet, or nobody any more. The exchange waits for the client's next message, if one is under way.
  struct Unidentified {
    std::unique_ptr<auth::SaslExchange> exchange;
    bool full = false;  // it would be somebody, if that user had not all the connections that it may have
  };
  // The client has failed too often: its log-in waits for its turn, and parsing pauses.
  struct Delayed {
    LoginAttempt attempt;
    EventPtr turn;
  };
  // A runner is at it, or will be; parsing pauses meanwhile. Whoever waits for a runner in vain is skipped:
  // `wanted` lives as long as the phase.
  struct LoggingIn {
    protocol::Caller caller;
    std::shared_ptr<const void> wanted;
  };
  struct Serving {
    auth::Identity identity;
    const auth::User* user;  // of the worker's snapshot
    auth::Connected connected;
  };
  // What the connection itself says of the client, by a certificate or by whose process it is.
  struct Attested {
    std::optional<auth::Identity> identity;  // none: the certificate is no user's
    std::string trust;                       // what the certificate was verified by, see ListenerTls
    std::time_t expires;                     // when it does, in seconds since 1970
  };
  // As Serving, with a link of its own; nothing is parsed until the stream ends.
  struct Streaming {
    Serving serving;
    protocol::Caller caller;
    Link* link;  // the worker ends the lease when the session goes
  };
  // No more requests; what is owed is still sent, and whoever asked for it has a connection until then.
  struct Draining {
    std::optional<Serving> whose;
  };
  // All is said; the client may have sent more, which must be read so that it still gets what we said.
  struct Lingering {};
  // A get for more keys than may be in flight goes up in windows, each when the client has taken the one
  // before: so it needs no more room than others, and nobody waits behind all of it.
  struct Windows {
    protocol::Caller caller;
    protocol::CommandSet needs;
    std::int32_t exptime;  // of gat
    std::string keys;      // joined by single spaces
    std::size_t next = 0;  // offset of the first that has not gone up
    bool lost = false;     // one failed: the client has its error, the rest is dropped
  };
  using Phase =
      std::variant<Handshaking, Unidentified, Delayed, LoggingIn, Serving, Streaming, Draining, Lingering>;

  // Counts it among those who have not logged in, as long as it is.
  class Stranger {
   public:
    explicit Stranger(Worker& worker) : worker_{worker} {}
    ~Stranger() { set(false); }
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;
    void set(bool is);

   private:
    Worker& worker_;
    bool is_ = false;
  };

  template <typename P>
  bool in() const {
    return std::holds_alternative<P>(phase_);
  }
  // Every change of phase goes through here.
  void become(Phase next);
  const conf::Listener& listener() const;
  bool is_anonymous_listener() const;
  // Whose rights it has without a log-in: the anonymous user's, or a stranger's where all pass; null: none.
  const auth::User* nobody() const;
  bool may_send_password() const;
  // The identity, while there is one; null otherwise.
  const Serving* serving() const;
  Serving* serving();
  // Its policy; null without one.
  const auth::Policy* policy() const;
  std::string_view user_name() const;
  // What goes before its keys; empty without one.
  std::string_view name_space() const;

  // --- whom the connection itself shows (session_identity.cpp)
  void on_client_known(const auth::Peer& client);
  bool from_elsewhere() const;
  void on_established();
  // Whether the listener asks this client for one; never a plain connection.
  conf::ClientCertificate wanted_certificate() const;
  // The user whom certificate or process show; null if nobody. The error says why the client cannot be
  // served.
  struct Shown {
    const auth::User* user = nullptr;
    auth::Proof proof = auth::Proof::Certificate;
  };
  std::expected<Shown, std::string> look_at_client() const;
  std::expected<void, std::string> attest();
  // Whether the client's certificate, if it has one, would be taken today.
  bool certificate_holds();
  // Whether what was found then is so today.
  bool still_attested();
  // Who the client is by its connection, and cannot cease to be; null if that says nothing.
  const auth::Identity* attested_identity() const;
  void log_lost_client();
  void refuse_certificate(std::string_view reason);

  // --- bytes in (session_input.cpp)
  void on_readable();
  void read();
  void on_writable();
  void on_client_ended();
  void take(std::string_view fresh);
  void resume();
  // Wipes what may hold a password and has been taken, where it lies and where it was read.
  void forget(std::string_view message);
  bool can_serve() const;

  // --- its share of what all use (session_turns.cpp)
  // Whether it has had its share of the worker's turn.
  bool has_had_its_turn();
  // How many keys it may have in flight: fewer where its values are large, since others wait behind them.
  std::size_t window() const;
  // Takes note of how large a value was.
  void weigh(std::size_t bytes);
  // The link that its requests take.
  Link& link();
  // The same for a request that is next, with a value of that many bytes: values' size decides. Null if what
  // is in flight must be answered before the session changes its link, since one link alone keeps the order.
  Link* next_link(std::size_t value_bytes);
  // A request waits here, since too much waits on the link, which wakes the session.
  void await(Link& link);

  // A log-in is under way, and nothing else happens.
  bool logging_in() const { return in<Delayed>() || in<LoggingIn>(); }
  bool idle() const;
  bool only_idles() const;
  // Gives back what it kept while it was busy.
  void rest();
  std::size_t serve(std::string_view input);
  // How much of the input it took; 0: not whole yet, or held back.
  std::size_t serve_one(std::string_view input);
  protocol::ParseResult parse(std::string_view input, protocol::Request& request, std::size_t searched) const;

  // --- requests (session_requests.cpp). They return false if the request must be held back for now.
  bool on_request(protocol::Request& request, std::size_t bytes);
  bool on_broken(const protocol::Request& request, const protocol::Broken& broken);
  // Where all pass: notes the request and what would have become of it; what becomes of it.
  Action let_pass(protocol::Request& request);
  bool carry_out(Action action, const protocol::Request& request);
  bool forward(const protocol::Request& request);
  void open_windows(const protocol::Request& request);
  bool send_window(Windows& windows);
  void answer_version(const protocol::Caller& caller);
  void answer_noop(const protocol::Caller& caller);
  void refuse(const protocol::Caller& caller, protocol::Refusal refusal);
  void log_denied(std::string_view event, const protocol::Request& request, bool refused);
  protocol::DeniedStatus denied_status() const;

  // --- its stream (session_stream.cpp)
  // As those of requests: false if it must be held back.
  bool stream(const protocol::Request& request);
  bool in_endless_stream() const;
  void refuse_head(const protocol::Caller& caller);

  // --- the audit trail (session_audit.cpp)
  // Who and where it is, now.
  AuditEvent audit_event(AuditEvent::Kind kind) const;
  // `user` empty: nobody that is known.
  void audit(AuditEvent::Kind kind, std::string_view user, std::string_view reason);
  void audit_login(const auth::Identity& identity);
  void audit_denied(const protocol::Request& request, std::optional<std::string_view> key);
  void audit_administrative(const protocol::Request& request);

  // --- limits (session_limits.cpp)
  // Makes it that user's session, or nobody's if the user has all the connections that it may have.
  bool serve_as(auth::Identity identity, const auth::User& user);
  // The limit that stands in the request's way; a time to live may have been brought within its own.
  struct Exceeded {
    Bound bound;
    protocol::Refusal refusal;
  };
  std::optional<Exceeded> exceeded(protocol::Request& request, const Serving& somebody) const;
  // carry_out() for whoever has such limits; `bytes` of input were the request.
  bool carry_out_metered(Action action, protocol::Request& request, std::size_t bytes);
  void charge_reply(std::size_t bytes);

  // --- whether it is still who it was (session_standing.cpp)
  static bool allows_rest(const auth::Policy& policy, const Windows& windows);
  // The user as today's configuration has it, for an identity proven earlier; null if it no longer holds.
  const auth::User* find_again(const auth::Identity& identity) const;
  // Whether the secret that proved who it is has an end, and whether that has come.
  bool can_expire() const;
  bool has_expired() const;
  void revoke();

  // --- log-ins (session_login.cpp)
  bool may_log_in_in_disguise() const;
  bool is_login_in_disguise(const protocol::Request& request) const;
  // Whether a request that begins so, and is not whole, may be a log-in.
  bool may_be_login(std::string_view input) const;
  // Whether the input may hold one, or a part of one.
  bool login_may_wait() const;
  // Whether nothing stands in the way of a log-in's beginning; if not, it is held back.
  bool may_log_in() const;
  // Whether SCRAM is among the mechanisms listed to this session, which may use it all the same.
  bool lists_scram() const;
  void list_mechanisms(const protocol::Caller& caller);
  bool log_in_text(const protocol::Request& request);
  bool log_in_sasl(const protocol::Request& request);
  bool step_sasl(const protocol::Request& request);
  // A log-in of this message, with the configuration of now.
  LoginAttempt attempt_of(const protocol::Caller& caller, LoginAttempt::Message message) const;
  // Sends a log-in on its way: now, or when its turn has come.
  void begin(LoginAttempt attempt);
  void on_turn();
  // Past the throttle: settled at once if it is remembered, else by a runner.
  void go_on(LoginAttempt attempt, bool had_turn);
  void submit(LoginAttempt attempt, bool had_turn);
  void log_login(const auth::Identity& identity);
  void on_granted(const protocol::Caller& caller, auth::Identity identity);
  // For the throttle. A runner counts those that it finds by itself.
  void count_failure(std::string_view user);
  // Without a look at the password.
  void refuse_unseen(const protocol::Caller& caller, const auth::Refused& refused);
  // After a log-in that came to nothing.
  void become_nobody();
  // Nobody now, and one failure more.
  void fail_login(const auth::Refused& refused);
  void log_throttled(std::string_view user, std::optional<std::chrono::milliseconds> wait);
  // After a failure: whether it was one too many.
  bool too_many_failures() const;
  void on_refused(const protocol::Caller& caller, const auth::Refused& refused);

  // --- bounds (session_bounds.cpp)
  void reached(Bound bound) const;
  void close_at(Bound bound);
  // Whether what it is in is of a client that has not logged in.
  static bool of_stranger(const Phase& phase);
  std::size_t waiting_output() const { return output_.size() + transport_.pending_bytes(); }
  // What waits here has changed. Gives back what the input does not need any more.
  void account();
  // Some output was taken by the socket, or none.
  void watch_writing(std::size_t taken);
  std::optional<Bound> overdue(Clock::time_point now) const;

  // --- the end (session.cpp)
  bool write();
  void linger();
  // Of several reasons the first is counted.
  void close_after_answers(Ending why);
  void close_now(Ending why);
  void watch_for_input();

  Worker& worker_;
  const SessionId id_;
  const std::size_t listener_;
  auth::Peer peer_;  // the socket's, or whom a proxy speaks for there
  Transport transport_;
  EventPtr read_event_;
  EventPtr write_event_;  // made when first needed: hardly any client lets its socket fill
  // No more is read once the client has ended or the server is about to; what was asked for is answered.
  enum class Input : std::uint8_t { Open, Stopped, Ended };
  Input input_state_ = Input::Open;
  bool reading_ = false;
  bool awaits_step_ = false;  // of its handshake, which the worker calls for
  bool lets_all_pass_;        // the listener's auth is not "required"
  bool noted_ = false;        // the request that was held back, where all pass
  bool closed_ = false;       // buried; nothing may happen any more

  std::optional<Ending> ending_;  // while it is about to end

  Phase phase_ = Handshaking{};
  Stranger stranger_;
  std::optional<protocol::Dialect> protocol_;  // Text or Binary, from the first byte
  bool had_request_ = false;
  std::uint32_t turn_ = 0;               // of its worker's, in which it was served last
  std::uint32_t served_ = 0;             // requests in that turn
  std::uint32_t heavy_bytes_ = 0;        // of its large values, of late; 0: none are
  bool on_large_link_ = false;           // its requests take the link for large values
  std::uint8_t reads_served_ = 0;        // while it serves, since it last rested; counted until it is busy
  std::optional<auth::Proof> login_by_;  // the log-in tried last
  int failed_logins_ = 0;
  std::unique_ptr<Attested> attested_;  // none: it says nothing
  std::unique_ptr<Windows> windows_;

  InputBuffer input_;
  std::size_t wanted_ = 0;    // input bytes before parsing again makes sense
  std::size_t searched_ = 0;  // input bytes that hold no line end
  std::size_t swallow_ = 0;   // bytes of a refused data block still to come
  bool held_back_ = false;    // a whole request waits in the input for something else first
  bool awaits_link_ = false;  // its link will wake it
  bool forgot_ = false;       // something was wiped that this read may have brought
  Buffer output_;
  ReplyQueue queue_{output_};

  Clock::time_point phase_since_;
  Clock::time_point last_active_;
  std::optional<Clock::time_point> partial_since_;  // a request has begun and not ended
  // Output waits for the client; begins anew whenever it has read enough since.
  std::optional<Clock::time_point> unwritten_since_;
  std::size_t read_since_ = 0;  // bytes it has read since then
  std::size_t held_ = 0;
};

}  // namespace mcgate::proxy
