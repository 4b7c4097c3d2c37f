// What a log-in can be bound to on a TLS connection: the kinds of RFC 9266 and RFC 5929 that are sound, which
// tls-unique is not. Called on the worker's thread, once the handshake is done.
#pragma once

#include <openssl/ssl.h>

#include <vector>

#include "auth/sasl.hpp"

namespace mcgate::proxy {

// None of a plain connection, whose `tls` is null.
std::vector<auth::ChannelBinding> channel_bindings(SSL* tls);
// Whether there are any, at no cost worth counting: it is said to whoever asks for the mechanisms.
bool has_channel_bindings(SSL* tls);

}  // namespace mcgate::proxy
