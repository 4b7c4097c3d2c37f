// One message of a log-in on its way from the session that received it to the runner that looks at it. Made
// by the session; used by one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "auth/remembered.hpp"
#include "auth/sasl.hpp"
#include "conf/secret.hpp"
#include "protocol/login.hpp"
#include "protocol/request.hpp"

namespace mcgate::proxy {

struct LoginAttempt {
  // The text log-in, whole.
  struct Text {
    std::string user;
    conf::Secret password;
  };
  // The first message of a SASL exchange.
  struct Start {
    std::string mechanism;
    conf::Secret token;
    std::optional<auth::Identity> shown = {};              // of EXTERNAL: whom the connection shows
    std::vector<auth::ChannelBinding> channel_bindings{};  // of SCRAM: what the connection has
    bool lists_bindings = true;                            // and whether the client is shown that
  };
  // A further one.
  struct Step {
    std::unique_ptr<auth::SaslExchange> exchange;
    conf::Secret token;
  };
  using Message = std::variant<Text, Start, Step>;

  protocol::Caller caller;
  auth::Peer peer;
  bool may_send_password = false;
  std::shared_ptr<const auth::Directory> directory;  // by which it is judged
  Message message;

  // Whether a password is held against this message; if not, it is only answered with a challenge.
  bool proves() const;
  // Whom the client says it is: any bytes; empty if it has not said, or cannot be understood.
  std::string user() const;
  // Whether saslauthd may be asked, who may take its time: for the runners that wait for it.
  bool asks_saslauthd() const;
  // The identity that an earlier check of the same password has proven, if it is remembered.
  std::optional<auth::Identity> remembered(auth::Remembered& memory) const;

  struct Result {
    std::unique_ptr<auth::SaslExchange> exchange;  // goes on after a challenge; none of a text log-in
    auth::Outcome outcome;
  };
  // Does the work, which blocks, and remembers a password that it proves.
  Result check(auth::Remembered& memory);

 private:
  // The name and password in it, if it holds both.
  std::optional<protocol::Credentials> credentials() const;
};

}  // namespace mcgate::proxy
