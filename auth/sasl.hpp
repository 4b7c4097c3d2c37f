// SASL through libsasl2: the library's one owner, and one exchange.
//
// An exchange blocks (key derivation, and sources that ask others), so start() and step() are called on a
// log-in runner's thread, one thread at a time; a worker only creates and moves it.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "auth/directory.hpp"
#include "auth/identity.hpp"
#include "conf/secret.hpp"

namespace mcgate::auth {

// Initialises libsasl2 for the process: mutexes, our user lookup as the only source, no configuration files,
// of its plugins only PLAIN's and SCRAM's. One is made in main before any exchange and outlives them all. The
// error says what is missing.
class SaslLibrary {
 public:
  static std::expected<std::unique_ptr<SaslLibrary>, std::string> open();
  ~SaslLibrary();
  SaslLibrary(const SaslLibrary&) = delete;
  SaslLibrary& operator=(const SaslLibrary&) = delete;

 private:
  SaslLibrary() = default;
};

struct Challenge {
  std::string bytes;
};
struct Granted {
  Identity identity;
};
struct Refused {
  std::string reason;     // for the log, never for the client; holds no secret
  std::string user = {};  // whom the client said it is, if it came that far: any bytes at all
  bool unjudged = false;  // nobody could say whether the password is right: no failure of the client's
};
using Outcome = std::variant<Challenge, Granted, Refused>;

// What a log-in can be bound to (RFC 5056): a value that both ends of one connection see alike, and nobody
// can make two connections agree on.
struct ChannelBinding {
  const char* type;  // "tls-exporter": a literal
  std::string data;  // raw bytes
};

// The connection under an exchange, as far as it matters here.
struct Channel {
  bool may_send_password = false;             // PLAIN is permitted on it
  std::vector<ChannelBinding> bindings = {};  // none: -PLUS is not
  bool lists_bindings = true;                 // whoever asks for the mechanisms is shown -PLUS
};

class SaslExchange {
 public:
  // `mechanism` is compared without case against the directory's mechanisms; anything else is refused.
  SaslExchange(std::shared_ptr<const Directory> directory, Peer peer, std::string_view mechanism,
               Channel channel);
  // EXTERNAL: the client asks to be who the connection says it is, and may be nobody else.
  SaslExchange(std::shared_ptr<const Directory> directory, Peer peer, const Identity& by_connection);
  ~SaslExchange();
  SaslExchange(const SaslExchange&) = delete;
  SaslExchange& operator=(const SaslExchange&) = delete;

  // The first message, as the client sent it ("" for none), and each following one. After Granted or
  // Refused the exchange is over: any further call is Refused.
  Outcome start(std::string_view initial_response);
  Outcome step(std::string_view response);

  bool is_plain() const;
  // By what the client would prove, or has proven or failed to, who it is; none if that is nothing we know.
  std::optional<Proof> proof() const { return proof_; }
  // Whom the client says it is: any bytes; empty as long as it has not said, and when the exchange is over.
  std::string claimed() const;

 private:
  struct Connection;

  bool is_offered(Proof proof) const;
  // Of SCRAM: takes in what the client's first message says of channel binding. The error is why it is
  // refused.
  std::expected<void, std::string_view> settle_binding(std::string_view message);
  Outcome refuse(std::string_view reason);  // ends the exchange
  Outcome advance(int result, const char* output, unsigned size);

  const std::shared_ptr<const Directory> directory_;
  const Channel channel_;
  std::optional<Proof> proof_;
  bool binding_is_settled_ = false;
  std::unique_ptr<Connection> connection_;  // none: the exchange is over
};

// A password as PLAIN and the text log-in bring it, checked against all of the user's verifiers that have not
// expired and then, if it is this user's source, asked of saslauthd. Otherwise the same work and answer for
// an unknown user, for one who is not enabled, whose verifiers have expired, and who may not log in from that
// peer. Blocks.
Outcome check_password(const Directory& directory, const Peer& peer, std::string_view user,
                       std::string_view password, Proof proof,
                       std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

}  // namespace mcgate::auth
