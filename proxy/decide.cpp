#include "proxy/decide.hpp"

#include <span>

namespace mcgate::proxy {
namespace {

using protocol::Command;
using protocol::Dialect;

// Commands that stand outside the policy. Before log-in only those that lead to one, leave, or ask a binary
// server's version are served.
Action decide_session_command(const protocol::Request& request, bool identified) {
  switch (request.caller.command) {
    case Command::Quit:
      return Action::Quit;
    case Command::SaslList:
      return Action::ListMechanisms;
    case Command::SaslAuth:
      return Action::LogInSasl;
    case Command::SaslStep:
      return Action::StepSasl;
    case Command::Version:
      return identified || request.caller.dialect == Dialect::Binary ? Action::AnswerVersion
                                                                     : Action::RefuseUnauthenticated;
    case Command::Noop:
      return identified ? Action::AnswerNoop : Action::RefuseUnauthenticated;
    default:
      return Action::RefuseUnauthenticated;  // a row of this category without a line here: refused
  }
}

// What may be done with each of its keys; there is at least one.
protocol::CommandSet allowed_on_all(const protocol::Request& request, const auth::Policy& policy) {
  protocol::CommandSet allowed = policy.allowed(request.keys.front());
  for (const std::string_view key : std::span{request.keys}.subspan(1))
    allowed = allowed & policy.allowed(key);
  return allowed;
}

bool allowed(protocol::Request& request, const auth::Policy& policy) {
  if (request.keys.empty()) return policy.allows(request.needs);
  const protocol::CommandSet allowed = allowed_on_all(request, policy);
  request.may_recache = allowed.contains(Command::Set);
  return !request.needs.empty() && allowed.contains(request.needs);
}

// A read of keys of which some may not be read, where these are to look as if they were not there: leaves
// those that may.
Action hide_denied(protocol::Request& request, const auth::Policy& policy) {
  request.may_recache = true;
  std::erase_if(request.keys, [&](std::string_view key) {
    const protocol::CommandSet allowed = policy.allowed(key);
    const bool denied = request.needs.empty() || !allowed.contains(request.needs);
    if (denied && request.denied_key.empty()) request.denied_key = key;
    if (!denied) request.may_recache = request.may_recache && allowed.contains(Command::Set);
    return denied;
  });
  return request.keys.empty() ? Action::AnswerMiss : if_allowed(request);
}

}  // namespace

Action judge(protocol::Request& request, const auth::Policy* policy) {
  if (protocol::row(request.caller.command).category == protocol::Category::Session)
    return decide_session_command(request, policy != nullptr);
  if (policy == nullptr) return Action::RefuseUnauthenticated;
  return allowed(request, *policy) ? if_allowed(request) : Action::RefuseDenied;
}

Action decide(protocol::Request& request, const auth::Policy* policy) {
  const Action judged = judge(request, policy);
  if (judged != Action::RefuseDenied || !policy->hides_denied()) return judged;
  const bool reads = protocol::row(request.caller.command).category == protocol::Category::Read;
  return reads && !request.keys.empty() ? hide_denied(request, *policy) : judged;
}

Action if_allowed(const protocol::Request& request) {
  const protocol::CommandRow& row = protocol::row(request.caller.command);
  // A command that must have keys and came without is a parser's bug: refused, not waved through.
  const bool keys_fit = (row.keys == protocol::KeyCount::None) == request.keys.empty();
  if (!keys_fit) return Action::RefuseDenied;
  // What these list may hold bytes that came into memcached past us, or were never meant (the address of a
  // Unix socket has had garbage behind it), and may look like the end of the list or like another reply: on a
  // link of their own they can only fool the one who asked.
  const bool tells_of_within =
      row.category == protocol::Category::Admin && row.reply == protocol::ReplyShape::Stats;
  return tells_of_within || row.reply == protocol::ReplyShape::Stream ? Action::Stream : Action::Forward;
}

}  // namespace mcgate::proxy
