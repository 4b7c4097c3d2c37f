// How a session becomes somebody.
#include <utility>

#include "protocol/binary.hpp"
#include "protocol/login.hpp"
#include "proxy/channel_binding.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

// NOLINTBEGIN(clang-analyzer-cplusplus.NewDeleteLeaks): the analyser loses sight of what a move_only_function
// owns
namespace mcgate::proxy {
namespace {

using protocol::Refusal;

constexpr int kMaxFailures = 10;  // per session (DESIGN: log-in attempts are bounded)

}  // namespace

// Where the text log-in is enabled, a session that is somebody already (an anonymous user) may still begin
// with a log-in: it must not be stored as data, where others could read the password.
bool Session::may_log_in_in_disguise() const {
  if (!in<Serving>() || !listener().text_login) return false;
  // Who has failed to and is nobody is still trying.
  const bool still_tries =
      failed_logins_ > 0 && std::get<Serving>(phase_).identity.proof == auth::Proof::Anonymous;
  return !had_request_ || still_tries;
}

bool Session::is_login_in_disguise(const protocol::Request& request) const {
  if (request.caller.dialect != protocol::Dialect::Text || request.caller.command != protocol::Command::Set)
    return false;
  if (!may_log_in_in_disguise()) return false;
  const auto credentials = protocol::parse_login_token(request.value);
  return credentials && worker_.snapshot().directory->find(credentials->user) != nullptr;
}

bool Session::may_be_login(std::string_view input) const {
  if (policy() == nullptr) return true;
  if (protocol_ != protocol::Dialect::Binary) return may_log_in_in_disguise();
  if (input.size() < 2) return true;
  const auto opcode = static_cast<protocol::Opcode>(input[1]);
  return opcode == protocol::Opcode::SaslAuth || opcode == protocol::Opcode::SaslStep;
}

bool Session::login_may_wait() const {
  return !input_.empty() && (held_back_ || may_be_login(input_.view()));
}

// The identity held before is dropped, and with it its place among its user's connections: so nothing that it
// asked for may be under way, on either side.
bool Session::may_log_in() const {
  return queue_.in_flight() == 0 && waiting_output() == 0;
}

bool Session::lists_scram() const {
  return attested_identity() == nullptr && !is_anonymous_listener();
}

void Session::list_mechanisms(const protocol::Caller& caller) {
  std::string text;
  const auth::Directory& directory = *worker_.snapshot().directory;
  if (attested_identity() != nullptr) {
    // No SCRAM: clients would take the strongest, where they know the user already.
    std::string mechanisms{auth::kExternal};
    if (may_send_password() && directory.offers(auth::Proof::Plain))
      mechanisms.append(" ").append(auth::name(auth::Proof::Plain));
    protocol::compose_sasl_mechanisms(caller, mechanisms, text);
  } else if (is_anonymous_listener()) {
    protocol::compose_unknown_command(caller, text);
  } else {
    const bool can_bind = has_channel_bindings(transport_.tls());
    protocol::compose_sasl_mechanisms(caller, directory.mechanisms(may_send_password(), can_bind), text);
  }
  queue_.say(std::move(text));
}

LoginAttempt Session::attempt_of(const protocol::Caller& caller, LoginAttempt::Message message) const {
  return {caller, peer_, may_send_password(), worker_.snapshot().directory, std::move(message)};
}

void Session::begin(LoginAttempt attempt) {
  // What is only answered with a challenge tells nothing of a password: it is the next message that waits.
  if (!attempt.proves()) {
    submit(std::move(attempt), true);
    return;
  }
  const auto wait =
      worker_.shared().throttle.admit(worker_.config().login.throttle, peer_, attempt.user(), worker_.now());
  if (wait == std::chrono::milliseconds{0}) {
    go_on(std::move(attempt), false);
    return;
  }
  log_throttled(attempt.user(), wait);
  if (!wait) {
    become_nobody();
    refuse(attempt.caller, Refusal::TooManyLogins);
    return;
  }
  EventPtr turn = make_event<&Session::on_turn>(worker_.base(), -1, 0, this);
  const timeval time = to_timeval(*wait);
  add_event(turn, &time);
  become(Delayed{std::move(attempt), std::move(turn)});
}

void Session::on_turn() {
  if (closed_ || !in<Delayed>()) return;
  LoginAttempt attempt = std::move(std::get<Delayed>(phase_).attempt);
  if (attempt.directory == worker_.snapshot().directory) {
    go_on(std::move(attempt), true);
  } else {
    // Begun under a configuration that no longer holds.
    become_nobody();
    refuse(attempt.caller, Refusal::LoginUnchecked);
  }
  worker_.mark(id_);
}

void Session::go_on(LoginAttempt attempt, bool had_turn) {
  if (auto identity = attempt.remembered(worker_.shared().remembered)) {
    become(Unidentified{});
    on_granted(attempt.caller, std::move(*identity));
  } else {
    submit(std::move(attempt), had_turn);
  }
}

void Session::submit(LoginAttempt attempt, bool had_turn) {
  const auto wanted = std::make_shared<const char>();
  const protocol::Caller caller = attempt.caller;
  Shared& all = worker_.shared();
  auth::LoginRunners& runners = attempt.asks_saslauthd() ? all.saslauthd_runners : all.runners;
  become(LoggingIn{caller, wanted});
  // What it refers to outlives the runners; the workers, and what they share, may be gone before.
  auto job = [inbox = worker_.inbox(), id = id_, had_turn, settings = worker_.config().login.throttle,
              attempt = std::move(attempt), &throttle = all.throttle,
              &remembered = all.remembered]() mutable {
    // Many may have been let through at once that were here before any of them had failed.
    const std::string user = attempt.user();
    const bool waits = !had_turn && throttle.delays(settings, attempt.peer, user, Clock::now());
    LoginResult done{std::move(attempt), std::nullopt};
    if (!waits) done.result = done.attempt.check(remembered);
    // Counted here, before the runner looks at the next.
    const auto* refused = done.result ? std::get_if<auth::Refused>(&done.result->outcome) : nullptr;
    if (refused != nullptr && !refused->unjudged)
      throttle.failed(settings, done.attempt.peer, user, Clock::now());
    inbox->post([id, done = std::move(done)](Worker& worker) mutable {
      if (Session* session = worker.session(id)) session->on_login_result(std::move(done));
    });
  };
  if (runners.submit(auth::PeerPlace{peer_}, wanted, std::move(job))) return;
  reached(Bound::LoginQueue);
  become_nobody();
  refuse(caller, Refusal::TooManyLogins);
}

bool Session::log_in_text(const protocol::Request& request) {
  if (!may_log_in()) return false;
  const auto credentials = protocol::parse_login_token(request.value);
  login_by_ = auth::Proof::Text;
  become(Unidentified{});
  if (!listener().text_login) {
    forget(request.value);
    refuse(request.caller, Refusal::Unauthenticated);
    return true;
  }
  if (!credentials) {
    forget(request.value);
    count_failure({});
    fail_login({std::string{credentials.error()}});
    refuse(request.caller, Refusal::BadLoginToken);
    if (too_many_failures()) close_after_answers(Ending::Logins);
    return true;
  }
  std::string user{credentials->user};
  conf::Secret password{credentials->password};
  forget(request.value);
  if (!may_send_password()) {
    refuse_unseen(request.caller, {"a password without TLS", std::move(user)});
    return true;
  }
  begin(attempt_of(request.caller, LoginAttempt::Text{std::move(user), std::move(password)}));
  return true;
}

bool Session::log_in_sasl(const protocol::Request& request) {
  if (!may_log_in()) return false;
  become(Unidentified{});
  const std::string_view mechanism = request.keys.empty() ? std::string_view{} : request.keys.front();
  login_by_ = auth::proof_by(mechanism);
  conf::Secret token{request.value};
  forget(request.value);
  // A name that we read otherwise than libsasl2 does would be counted under another.
  const bool is_plain = login_by_ == auth::Proof::Plain;
  if (is_plain && !token.empty() && !protocol::parse_plain(token.reveal())) {
    refuse_unseen(request.caller, {"a malformed message"});
    return true;
  }
  LoginAttempt::Start start{std::string{mechanism}, std::move(token)};
  if (login_by_ && auth::is_scram(*login_by_)) {
    start.channel_bindings = channel_bindings(transport_.tls());
    start.lists_bindings = lists_scram();
  }
  if (auth::is_external(mechanism)) {
    const auth::Identity* identity = attested_identity();
    if (identity == nullptr) {
      refuse_unseen(request.caller, {"EXTERNAL where the connection shows no user"});
      return true;
    }
    start.shown = *identity;
    login_by_ = identity->proof;
  }
  begin(attempt_of(request.caller, std::move(start)));
  return true;
}

bool Session::step_sasl(const protocol::Request& request) {
  if (!may_log_in()) return false;
  auto* before = std::get_if<Unidentified>(&phase_);
  std::unique_ptr<auth::SaslExchange> exchange = before != nullptr ? std::move(before->exchange) : nullptr;
  if (!exchange) {
    become(Unidentified{});
    refuse_unseen(request.caller, {"a step of no log-in"});
    return true;
  }
  conf::Secret token{request.value};
  forget(request.value);
  if (exchange->is_plain() && !protocol::parse_plain(token.reveal())) {
    refuse_unseen(request.caller, {"a malformed message"});
    return true;
  }
  begin(attempt_of(request.caller, LoginAttempt::Step{std::move(exchange), std::move(token)}));
  return true;
}

void Session::on_login_result(LoginResult done) {
  if (closed_ || !in<LoggingIn>()) return;
  const protocol::Caller caller = done.attempt.caller;
  if (done.result && done.result->exchange) login_by_ = done.result->exchange->proof();
  if (done.attempt.directory != worker_.snapshot().directory) {
    // By a configuration that no longer holds: it may have been by a secret that is gone.
    become_nobody();
    refuse(caller, Refusal::LoginUnchecked);
  } else if (!done.result) {
    begin(std::move(done.attempt));
  } else if (auto* challenge = std::get_if<auth::Challenge>(&done.result->outcome)) {
    become(Unidentified{std::move(done.result->exchange)});
    std::string text;
    protocol::compose_sasl_challenge(caller, challenge->bytes, text);
    queue_.say(std::move(text));
  } else if (auto* granted = std::get_if<auth::Granted>(&done.result->outcome)) {
    on_granted(caller, std::move(granted->identity));
  } else {
    on_refused(caller, std::get<auth::Refused>(done.result->outcome));
  }
  worker_.mark(id_);
}

void Session::log_login(const auth::Identity& identity) {
  audit_login(identity);
  worker_.counters().add<Metric::Logins>(1, identity.proof, LoginOutcome::Granted);
  worker_.log().info("login", {{"user", identity.user},
                               {"proof", auth::name(identity.proof)},
                               {"peer", auth::format(peer_)},
                               {"transport", transport_.description()},
                               {"secret", identity.secret}});
}

void Session::on_granted(const protocol::Caller& caller, auth::Identity identity) {
  // The configuration may have changed since the exchange began: asked again of today's.
  const auth::User* user = find_again(identity);
  if (user == nullptr) {
    on_refused(caller, {"no longer a user", std::move(identity.user)});
    return;
  }
  if (!identity.secret.empty())
    worker_.shared().last_use.note(identity.user, identity.secret, std::chrono::system_clock::now());
  if (const auth::Identity* attested = attested_identity(); attested != nullptr) {
    if (identity.user != attested->user) {
      on_refused(caller, {"its connection shows another user", std::move(identity.user)});
      return;
    }
    identity = *attested;  // which holds whatever becomes of the password
  }
  if (!serve_as(identity, *user)) {
    refuse(caller, Refusal::ConnectionsLimit);
    return;
  }
  log_login(identity);
  std::string text;
  if (caller.dialect == protocol::Dialect::Binary) {
    protocol::compose_sasl_success(caller, text);
  } else {
    protocol::compose_text_login_accepted(text);
  }
  queue_.say(std::move(text));
}

bool Session::too_many_failures() const {
  return failed_logins_ >= kMaxFailures || attested_identity() != nullptr;
}

void Session::count_failure(std::string_view user) {
  worker_.shared().throttle.failed(worker_.config().login.throttle, peer_, user, worker_.now());
}

void Session::refuse_unseen(const protocol::Caller& caller, const auth::Refused& refused) {
  count_failure(refused.user);
  on_refused(caller, refused);
}

void Session::fail_login(const auth::Refused& refused) {
  become_nobody();
  ++failed_logins_;
  worker_.counters().add<Metric::Logins>(1, login_by_ ? static_cast<std::size_t>(*login_by_) : kUnknownProof,
                                         LoginOutcome::Refused);
  // A name that nobody has may be a password in the wrong place.
  const bool known = worker_.snapshot().directory->find(refused.user) != nullptr;
  const std::string_view who = known ? std::string_view{refused.user} : "unknown";
  audit(AuditEvent::Kind::LoginRefused, who, refused.reason);
  if (worker_.client_log().allow(worker_.now()))
    worker_.log().warning("login_refused", {{"user", who},
                                            {"reason", refused.reason},
                                            {"peer", auth::format(peer_)},
                                            {"transport", transport_.description()},
                                            {"failures", failed_logins_}});
}

void Session::log_throttled(std::string_view user, std::optional<std::chrono::milliseconds> wait) {
  constexpr std::string_view kTooMany = "too many failed log-ins wait";
  worker_.counters().add<Metric::BoundHits>(1, Bound::LoginThrottle);
  const bool known = worker_.snapshot().directory->find(user) != nullptr;
  const std::string_view who = known ? user : "unknown";
  if (!wait) audit(AuditEvent::Kind::LoginRefused, who, kTooMany);
  if (!worker_.client_log().allow(worker_.now())) return;
  if (wait) {
    worker_.log().warning("login_delayed", {{"user", who},
                                            {"peer", auth::format(peer_)},
                                            {"limit", name(Bound::LoginThrottle)},
                                            {"milliseconds", wait->count()}});
  } else {
    worker_.log().warning("login_refused", {{"user", who},
                                            {"reason", kTooMany},
                                            {"limit", name(Bound::LoginThrottle)},
                                            {"peer", auth::format(peer_)},
                                            {"transport", transport_.description()},
                                            {"failures", failed_logins_}});
  }
}

void Session::on_refused(const protocol::Caller& caller, const auth::Refused& refused) {
  fail_login(refused);
  refuse(caller, refused.unjudged ? Refusal::LoginUnchecked : Refusal::AuthenticationFailure);
  if (too_many_failures()) close_after_answers(Ending::Logins);
}

}  // namespace mcgate::proxy
// NOLINTEND(clang-analyzer-cplusplus.NewDeleteLeaks)
