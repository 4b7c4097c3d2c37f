// What becomes of a request: one pure function, the only place where access is decided.
#pragma once

#include "auth/policy.hpp"
#include "protocol/answer.hpp"
#include "protocol/request.hpp"

namespace mcgate::proxy {

enum class Action : std::uint8_t {
  Forward,  // to the session's link
  Stream,   // to a link of its own
  AnswerVersion,
  AnswerNoop,
  Quit,
  ListMechanisms,
  LogInSasl,
  StepSasl,
  RefuseUnauthenticated,
  RefuseDenied,
  AnswerMiss,  // denied, and hidden
};

// `policy` is what the session's identity may do, or null while it has none. Notes in the request what else
// the policy has to say of it: may_recache. Where denied reads are to look like misses, keys that may not be
// read are taken out of it, the first of them noted as denied_key.
Action decide(protocol::Request& request, const auth::Policy* policy);

// The same, but that what is denied is refused, and so never hidden.
Action judge(protocol::Request& request, const auth::Policy* policy);

// What becomes of a request that is allowed.
Action if_allowed(const protocol::Request& request);

}  // namespace mcgate::proxy
