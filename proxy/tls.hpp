// A listener's TLS settings, as an SSL_CTX. Built by the control thread, then shared by all workers.
#pragma once

#include <expected>
#include <string>

#include "conf/config.hpp"
#include "proxy/handles.hpp"

namespace mcgate::proxy {

struct ListenerTls {
  SslCtxPtr context;  // null where a listener is plain
  std::string trust;  // stands for the listener and whose certificates it trusts: what was resumable or
                      // verified under another is not under this one
};

// TLS 1.2 and 1.3 only, the certificate and key loaded and matched. `listener` is its address. The error
// names the file and what OpenSSL says of it.
std::expected<ListenerTls, std::string> make_tls(const conf::Tls& tls, std::string_view listener);

// The oldest error in OpenSSL's queue as text, and the queue cleared.
std::string take_tls_error();

}  // namespace mcgate::proxy
