// What a session does with its requests.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {

using protocol::Category;
using protocol::Dialect;
using protocol::Refusal;

protocol::DeniedStatus Session::denied_status() const {
  return worker_.config().denied_no_access ? protocol::DeniedStatus::NoAccess
                                           : protocol::DeniedStatus::AuthError;
}

namespace {

// What the user may not do, and not what failed: silent where it is quiet, and no affair of the fence.
bool is_of_policy(Refusal refusal) {
  return refusal == Refusal::AccessDenied || refusal == Refusal::TtlLimit ||
         refusal == Refusal::RequestsLimit || refusal == Refusal::BytesLimit;
}

}  // namespace

void Session::refuse(const protocol::Caller& caller, Refusal refusal) {
  std::string text;
  const auto told = protocol::compose_refusal(caller, refusal, denied_status(), text);
  if (told == protocol::Told::Silent && !is_of_policy(refusal)) queue_.fail_in_silence();
  queue_.say(std::move(text));
}

namespace {

Verdict verdict(Action action) {
  switch (action) {
    case Action::RefuseUnauthenticated:
      return Verdict::Unauthenticated;
    case Action::RefuseDenied:
    case Action::AnswerMiss:
      return Verdict::Denied;
    case Action::Forward:
    case Action::Stream:
    case Action::AnswerVersion:
    case Action::AnswerNoop:
    case Action::Quit:
    case Action::ListMechanisms:
    case Action::LogInSasl:
    case Action::StepSasl:
      return Verdict::Allowed;
  }
  return Verdict::Denied;
}

}  // namespace

bool Session::on_request(protocol::Request& request, std::size_t bytes) {
  if (is_login_in_disguise(request)) return log_in_text(request);
  const bool before_login = !in<Serving>();
  if (before_login && protocol_ == Dialect::Text && request.caller.command == protocol::Command::Set)
    return log_in_text(request);
  const Serving* const somebody = serving();
  const auth::User* const user = somebody != nullptr ? somebody->user : nullptr;
  request.name_space = user != nullptr ? std::string_view{user->name_space} : std::string_view{};
  // Taken first: what carries it out may use the worker's request for another.
  const protocol::Command command = request.caller.command;
  const Action action =
      lets_all_pass_ ? let_pass(request) : decide(request, user != nullptr ? user->policy.get() : nullptr);
  const bool goes_on = action == Action::Forward || action == Action::Stream || action == Action::AnswerMiss;
  const bool metered = goes_on && user != nullptr && user->metered();
  if (const auto limit = metered ? exceeded(request, *somebody) : std::nullopt) {
    noted_ = false;
    reached(limit->bound);
    audit(AuditEvent::Kind::Limited, user_name(), name(limit->bound));
    refuse(request.caller, limit->refusal);
    worker_.counters().add<Metric::Requests>(1, command, Verdict::Limited);
    return true;
  }
  if (!(metered ? carry_out_metered(action, request, bytes) : carry_out(action, request))) {
    noted_ = lets_all_pass_;
    return false;  // it comes again
  }
  noted_ = false;
  if (before_login && protocol_ == Dialect::Text) {
    worker_.counters().add<Metric::MalformedRequests>(1);  // not parsed so far as to know the command
  } else {
    worker_.counters().add<Metric::Requests>(1, command, verdict(action));
  }
  return true;
}

Action Session::let_pass(protocol::Request& request) {
  const Action action = judge(request, policy());
  const Serving* somebody = serving();
  if (somebody == nullptr || protocol::row(request.caller.command).category == Category::Session)
    return action;
  const bool refused = action == Action::RefuseDenied;
  const bool is_known = somebody->identity.proof != auth::Proof::Anonymous;
  if (!noted_) {
    worker_.observed().note(is_known ? somebody->identity.user : std::string_view{}, peer_, request, refused);
    if (refused && listener().auth == conf::AuthMode::Report) log_denied("would_be_denied", request, false);
  }
  // That tenants do not meet is no matter of rights.
  const bool of_the_whole_cache = request.keys.empty() && !somebody->user->name_space.empty();
  if (!refused || of_the_whole_cache) return action;
  request.may_recache = true;
  return if_allowed(request);
}

bool Session::on_broken(const protocol::Request& request, const protocol::Broken& broken) {
  using protocol::Command;
  const Command command = request.caller.command;
  const bool of_sasl =
      protocol_ == Dialect::Binary && (command == Command::SaslAuth || command == Command::SaslStep);
  const bool of_text_login = protocol_ == Dialect::Text && !in<Serving>() && !broken.reply.empty();
  const bool of_login = of_sasl || of_text_login;
  if (of_login) {
    if (!may_log_in()) return false;
    // A log-in, if a broken one: whoever it was before is nobody now.
    count_failure({});
    if (of_text_login) login_by_ = auth::Proof::Text;
    fail_login({"a malformed log-in"});
    queue_.say(broken.reply);
  } else if (in<Serving>()) {
    using enum protocol::Broken::Bound;
    if (broken.bound != None) {
      const Bound bound = broken.bound == Keys ? Bound::Keys : Bound::ValueBytes;
      reached(bound);
      audit(AuditEvent::Kind::Limited, user_name(), name(bound));
    }
    queue_.say(broken.reply);
  } else {
    refuse(request.caller, Refusal::Unauthenticated);
  }
  worker_.counters().add<Metric::MalformedRequests>(1);
  if (of_login && too_many_failures()) {
    close_after_answers(Ending::Logins);
  } else if (broken.close) {
    close_after_answers(Ending::Protocol);
  }
  return true;
}

bool Session::carry_out(Action action, const protocol::Request& request) {
  switch (action) {
    case Action::Forward:
      if (!forward(request)) return false;
      if (!request.denied_key.empty()) log_denied("denied", request, true);
      return true;
    case Action::AnswerMiss: {
      log_denied("denied", request, true);
      std::string text;
      protocol::compose_miss(request, text);
      queue_.say(std::move(text));
      return true;
    }
    case Action::Stream:
      return stream(request);
    case Action::AnswerVersion:
      answer_version(request.caller);
      return true;
    case Action::AnswerNoop:
      answer_noop(request.caller);
      return true;
    case Action::Quit: {
      std::string text;
      protocol::compose_quit(request.caller, text);
      queue_.say(std::move(text));
      close_after_answers(Ending::Client);
      return true;
    }
    case Action::ListMechanisms:
      list_mechanisms(request.caller);
      return true;
    case Action::LogInSasl:
      return log_in_sasl(request);
    case Action::StepSasl:
      return step_sasl(request);
    case Action::RefuseUnauthenticated:
      if (auto* nobody = std::get_if<Unidentified>(&phase_)) {
        if (nobody->full) {
          refuse(request.caller, Refusal::ConnectionsLimit);
          close_after_answers(Ending::Bound);
          return true;
        }
        become_nobody();  // and a log-in that was under way is not any more
      }
      audit(AuditEvent::Kind::Unauthenticated, {}, {});
      refuse(request.caller, Refusal::Unauthenticated);
      return true;
    case Action::RefuseDenied:
      log_denied("denied", request, true);
      refuse(request.caller, Refusal::AccessDenied);
      return true;
  }
  return true;
}

bool Session::forward(const protocol::Request& request) {
  Link* const link = next_link(request.value.size());
  if (link == nullptr) return false;
  if (!link->ready()) {
    refuse(request.caller, Refusal::UpstreamDown);
    return true;
  }
  if (link->congested()) {
    await(*link);
    return false;
  }
  if (!protocol::supported(request, link->version())) {
    refuse(request.caller, Refusal::Unsupported);
    return true;
  }
  const std::size_t most = window();
  if (queue_.in_flight() != 0 && queue_.load() + request.keys.size() > most) {
    if (queue_.load() + request.keys.size() > worker_.snapshot().keys_in_flight)
      reached(Bound::RequestsInFlight);
    return false;
  }
  const bool divisible = protocol::row(request.caller.command).reply == protocol::ReplyShape::Values;
  if (divisible && request.keys.size() > most) {
    open_windows(request);
    return true;
  }
  if (!request.value.empty()) weigh(request.value.size());  // a get says nothing of what comes
  queue_.ask(std::max<std::size_t>(1, request.keys.size()));
  link->send(request, id_);
  audit_administrative(request);
  return true;
}

void Session::open_windows(const protocol::Request& request) {
  windows_ = std::make_unique<Windows>(request.caller, request.needs, request.exptime);
  std::size_t bytes = 0;
  for (const std::string_view key : request.keys) bytes += key.size() + 1;
  windows_->keys.reserve(bytes);
  for (const std::string_view key : request.keys) windows_->keys.append(key).append(" ");
}

// Sends the next window of the get under way, once there is room; false if there is not.
bool Session::send_window(Windows& windows) {
  if (queue_.in_flight() != 0) return false;
  Link* const link = next_link(0);
  if (link == nullptr) return false;
  if (windows.lost || !link->ready()) {
    if (!windows.lost) refuse(windows.caller, Refusal::UpstreamDown);
    windows_.reset();
    return true;
  }
  if (link->congested()) {
    await(*link);
    return false;
  }
  protocol::Request& request = worker_.request();
  request.clear();
  request.caller = windows.caller;
  request.exptime = windows.exptime;
  request.name_space = name_space();  // as when it was decided: at a change the session ends
  const std::size_t most = window();
  const std::string_view keys = windows.keys;
  while (windows.next < keys.size() && request.keys.size() < most) {
    const std::size_t end = keys.find(' ', windows.next);
    request.keys.push_back(keys.substr(windows.next, end - windows.next));
    windows.next = end + 1;
  }
  if (!protocol::supported(request, link->version())) {  // the window before took another link, perhaps
    refuse(windows.caller, Refusal::Unsupported);
    windows_.reset();
    return true;
  }
  const bool goes_on = windows.next < keys.size();
  queue_.ask(request.keys.size());
  link->send(request, id_, goes_on);
  if (!goes_on) windows_.reset();
  return true;
}

void Session::answer_version(const protocol::Caller& caller) {
  const Link& taken = link();
  if (!taken.ready()) {
    refuse(caller, Refusal::UpstreamDown);
    return;
  }
  std::string text;
  protocol::compose_version(caller, taken.version_text(), text);
  queue_.say(std::move(text));
}

void Session::answer_noop(const protocol::Caller& caller) {
  queue_.fence(caller, !link().ready());
}

// --- replies

void Session::on_reply_part(std::size_t bytes) {
  charge_reply(bytes);
  weigh(bytes);
  if (output_.size() > worker_.config().limits.session_output_bytes) {
    close_at(Bound::SessionOutput);
    return;
  }
  worker_.mark(id_);
}

void Session::on_reply_end(std::size_t keys, std::size_t bytes) {
  queue_.answered(keys);
  last_active_ = worker_.now();
  on_reply_part(bytes);
}

void Session::on_reply_lost(const protocol::Expected& expected, std::size_t keys, Refusal refusal,
                            bool was_sent) {
  const auto told = protocol::compose_refusal(expected.caller, refusal, denied_status(), queue_.head());
  if (told == protocol::Told::Silent) queue_.failed_in_silence();
  if (windows_) windows_->lost = true;
  queue_.answered(keys);
  // A write of unknown outcome may still be carried out, even after a newer one of this session's.
  const protocol::CommandRow& row = protocol::row(expected.caller.command);
  const bool only_reads = row.category == Category::Read || row.reply == protocol::ReplyShape::Stats ||
                          row.reply == protocol::ReplyShape::Stream;
  if (was_sent && !only_reads) close_after_answers(Ending::Unwritten);
  worker_.mark(id_);
}

// --- the log

void Session::log_denied(std::string_view event, const protocol::Request& request, bool refused) {
  const bool logged = worker_.client_log().allow(worker_.now());
  if (!logged && !worker_.shared().audit.on()) return;
  const auth::Policy& rules = *policy();
  std::optional<std::string_view> key;
  if (!request.denied_key.empty()) {
    key = request.denied_key;
  } else if (!request.keys.empty()) {
    const auto denied = std::ranges::find_if(
        request.keys, [&](std::string_view each) { return !rules.allows(request.needs, each); });
    key = denied != request.keys.end() ? *denied : request.keys.back();
  }
  if (refused) audit_denied(request, key);
  if (!logged) return;
  const auth::Policy::Reason reason = key ? rules.explain(request.needs, *key) : rules.explain(request.needs);
  worker_.log().warning(event, {{"user", user_name()},
                                {"peer", auth::format(peer_)},
                                {"command", protocol::row(request.caller.command).name},
                                {"key_prefix", key_prefix(key.value_or(""))},
                                {"rule", reason.text}});
}

}  // namespace mcgate::proxy
