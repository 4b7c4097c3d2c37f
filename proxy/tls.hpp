// A listener's TLS settings, as an SSL_CTX. Built by the control thread, then shared by all workers.
#pragma once

#include <expected>
#include <string>

#include "conf/config.hpp"
#include "proxy/handles.hpp"

namespace mcgate::proxy {

// TLS 1.2 and 1.3 only, the certificate and key loaded and matched. `id` keeps the sessions of one listener
// from being resumed at another. The error names the file and what OpenSSL says of it.
std::expected<SslCtxPtr, std::string> make_tls(const conf::Tls& tls, std::string_view id);

// The oldest error in OpenSSL's queue as text, and the queue cleared.
std::string take_tls_error();

}  // namespace mcgate::proxy
