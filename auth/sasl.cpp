#include "auth/sasl.hpp"

#include <sasl/sasl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <utility>

#include "auth/sasl_callbacks.hpp"
#include "auth/sasl_credentials.hpp"
#include "protocol/login.hpp"

namespace mcgate::auth {
namespace {

struct Dispose {
  void operator()(sasl_conn_t* connection) const { sasl_dispose(&connection); }
};
using SaslConnPtr = std::unique_ptr<sasl_conn_t, Dispose>;

// sasl_authorize_t: nobody acts for another.
int only_oneself(sasl_conn_t*, void*, const char* requested, unsigned requested_size,
                 const char* authenticated, unsigned authenticated_size, const char*, unsigned,
                 propctx*) noexcept {
  const std::string_view authzid{requested, requested_size};
  const std::string_view authcid{authenticated, authenticated_size};
  return authzid == authcid ? SASL_OK : SASL_NOAUTHZ;
}

// sasl_canon_user_t: a name is taken byte for byte or refused. libsasl2's own canonicalisation comes after
// this one and strips white space at both ends, so a name with any is none of ours.
int name_as_it_is(sasl_conn_t*, void*, const char* user, unsigned size, unsigned, const char*, char* out,
                  unsigned room, unsigned* out_size) noexcept {
  const std::string_view from{user, size};
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  if (from.empty() || size > protocol::kMaxUserName || size >= room || from.find('\0') != from.npos ||
      is_space(from.front()) || is_space(from.back())) {
    return SASL_BADPROT;
  }
  std::memmove(out, user, size);
  out[size] = '\0';
  *out_size = size;
  return SASL_OK;
}

}  // namespace

struct SaslExchange::Connection {
  Connection(std::shared_ptr<const Directory> directory, Peer peer, Proof proof, std::string_view by)
      : credentials{std::move(directory), peer, proof},
        mechanism{by},
        callbacks{
            callback<sasl_getopt_t>(SASL_CB_GETOPT, get_option, mechanism.data()),
            callback<sasl_log_t>(SASL_CB_LOG, drop_log, nullptr),
            callback<sasl_authorize_t>(SASL_CB_PROXY_POLICY, only_oneself, nullptr),
            callback<sasl_canon_user_t>(SASL_CB_CANON_USER, name_as_it_is, nullptr),
            callback<sasl_server_userdb_checkpass_t>(SASL_CB_SERVER_USERDB_CHECKPASS, check_password_callback,
                                                     &credentials),
            sasl_callback_t{SASL_CB_LIST_END, nullptr, nullptr},
        } {}

  bool open(bool may_send_password) {
    sasl_conn_t* made = nullptr;
    // A name is given lest libsasl2 ask the resolver for one; no realm, so that "user@realm" stays one name.
    if (sasl_server_new("memcached", "localhost", nullptr, nullptr, nullptr, callbacks.data(), 0, &made) !=
        SASL_OK) {
      return false;
    }
    sasl.reset(made);
    sasl_security_properties_t properties{};
    properties.security_flags = SASL_SEC_NOANONYMOUS;
    if (!may_send_password) properties.security_flags |= SASL_SEC_NOPLAINTEXT;
    if (!external.empty() && sasl_setprop(sasl.get(), SASL_AUTH_EXTERNAL, external.c_str()) != SASL_OK)
      return false;
    return sasl_setprop(sasl.get(), SASL_SEC_PROPS, &properties) == SASL_OK;
  }

  bool bind_to(const ChannelBinding& channel) {
    binding = {.name = channel.type,
               .critical = 1,
               .len = channel.data.size(),
               .data = reinterpret_cast<const unsigned char*>(channel.data.data())};
    return sasl_setprop(sasl.get(), SASL_CHANNEL_BINDING, &binding) == SASL_OK;
  }

  SaslCredentials credentials;
  sasl_channel_binding_t binding{};  // libsasl2 keeps pointers to it
  std::string external;              // for EXTERNAL: who it is
  std::string mechanism;
  std::array<sasl_callback_t, 6> callbacks;
  SaslConnPtr sasl;  // none: not started. Dies before what its callbacks point to.
};

SaslExchange::SaslExchange(std::shared_ptr<const Directory> directory, Peer peer, std::string_view mechanism,
                           Channel channel)
    : directory_{std::move(directory)}, channel_{std::move(channel)}, proof_{proof_by(mechanism)} {
  // libsasl2's clients say by the first message alone that they mean -PLUS, and name the other.
  if (!proof_ || !(is_offered(*proof_) || is_offered(bound(*proof_)))) return;
  connection_ = std::make_unique<Connection>(directory_, peer, *proof_, name(unbound(*proof_)));
}

SaslExchange::SaslExchange(std::shared_ptr<const Directory> directory, Peer peer,
                           const Identity& by_connection)
    : directory_{std::move(directory)},
      proof_{by_connection.proof},
      connection_{std::make_unique<Connection>(directory_, peer, by_connection.proof, kExternal)} {
  connection_->external = by_connection.user;
  connection_->credentials.take_as_proven(by_connection.user);
}

SaslExchange::~SaslExchange() = default;

bool SaslExchange::is_plain() const {
  return connection_ && connection_->mechanism == name(Proof::Plain);
}

std::string SaslExchange::claimed() const {
  return connection_ ? connection_->credentials.claimed() : std::string{};
}

Outcome SaslExchange::start(std::string_view initial_response) {
  if (!connection_) return refuse("mechanism not offered");
  if (connection_->sasl) return refuse("started twice");
  if (initial_response.size() > protocol::kMaxLoginToken) return refuse("message too long");
  if (!connection_->open(channel_.may_send_password)) return refuse("libsasl2 does not open an exchange");
  if (const auto settled = settle_binding(initial_response); !settled) return refuse(settled.error());
  const char* output = nullptr;
  unsigned size = 0;
  // No response at all and an empty one look alike in memcached's protocol; libsasl2 then asks for one.
  const int result = sasl_server_start(connection_->sasl.get(), connection_->mechanism.c_str(),
                                       initial_response.empty() ? nullptr : initial_response.data(),
                                       static_cast<unsigned>(initial_response.size()), &output, &size);
  return advance(result, output, size);
}

Outcome SaslExchange::step(std::string_view response) {
  if (!connection_) return refuse("the exchange is over");
  if (!connection_->sasl) return refuse("not started");
  if (response.size() > protocol::kMaxLoginToken) return refuse("message too long");
  if (const auto settled = settle_binding(response); !settled) return refuse(settled.error());
  const char* output = nullptr;
  unsigned size = 0;
  const int result = sasl_server_step(connection_->sasl.get(), response.empty() ? "" : response.data(),
                                      static_cast<unsigned>(response.size()), &output, &size);
  return advance(result, output, size);
}

bool SaslExchange::is_offered(Proof proof) const {
  return directory_->offers(proof) && (proof != Proof::Plain || channel_.may_send_password) &&
         (!is_bound(proof) || !channel_.bindings.empty());
}

// Judged here, since libsasl2 knows one kind of binding only, and which it is to be this message says.
std::expected<void, std::string_view> SaslExchange::settle_binding(std::string_view message) {
  if (binding_is_settled_ || message.empty() || !proof_ || !is_scram(*proof_)) return {};
  binding_is_settled_ = true;
  const auto said = protocol::parse_channel_binding(message);
  if (!said) return std::unexpected{said.error()};
  if (said->use == protocol::ChannelBindingUse::Bound) {
    proof_ = bound(*proof_);
    const auto binding = std::ranges::find(channel_.bindings, said->type, &ChannelBinding::type);
    if (binding == channel_.bindings.end()) return std::unexpected{"channel binding of a kind not offered"};
    if (!connection_->bind_to(*binding)) return std::unexpected{"libsasl2 takes no channel binding"};
    connection_->credentials.take_as_bound();
  } else if (is_bound(*proof_)) {
    return std::unexpected{"channel binding was chosen and not used"};
  } else if (said->use == protocol::ChannelBindingUse::NotSeen && directory_->offers_binding() &&
             !channel_.bindings.empty() && channel_.lists_bindings) {
    // RFC 5802 §6: whoever took it off the list wants to be in between.
    return std::unexpected{"the client was not shown that channel binding is offered"};
  }
  if (!is_offered(*proof_)) return std::unexpected{"mechanism not offered"};
  return {};
}

Outcome SaslExchange::refuse(std::string_view reason) {
  Outcome refused = connection_ ? connection_->credentials.refuse(reason) : Refused{std::string{reason}};
  connection_.reset();
  return refused;
}

// Whatever is neither "go on" nor "done" ends the exchange here and now: libsasl2 can be stepped from a
// failure to a success.
Outcome SaslExchange::advance(int result, const char* output, unsigned size) {
  if (result == SASL_CONTINUE)
    return Challenge{output != nullptr ? std::string{output, size} : std::string{}};
  if (result != SASL_OK) return refuse(sasl_errstring(result, nullptr, nullptr));
  const void* user = nullptr;
  if (sasl_getprop(connection_->sasl.get(), SASL_USERNAME, &user) != SASL_OK || user == nullptr) {
    return refuse("no user was proven");
  }
  Outcome outcome = connection_->credentials.conclude(static_cast<const char*>(user));
  connection_.reset();
  return outcome;
}

}  // namespace mcgate::auth
