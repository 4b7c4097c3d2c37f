// Client certificates at a listener: what it asks for and trusts, what a client has shown, and what a ticket
// must remember of it. The certificate has been verified by OpenSSL in the handshake; who it makes of the
// client, auth::Directory knows.
#pragma once

#include <openssl/ssl.h>

#include <ctime>
#include <expected>
#include <string>

#include "conf/config.hpp"

namespace mcgate::proxy {

// Makes the context ask for certificates as the listener says: one of client_ca's authorities, for clients'
// use, none in its chain expired and, with lists, none revoked; an authority without a current list fails.
// The result stands for what is trusted, the authorities and lists themselves: if it differs, what was
// verified before counts no more. The error names the file.
std::expected<std::string, std::string> ask_for_certificates(SSL_CTX* context, const conf::Tls& tls);

// The client's certificate; null if it showed none. Belongs to `session`.
X509* client_certificate(const SSL& session);
// Why the handshake failed, if it was because of the client's certificate; else empty.
std::string certificate_problem(const SSL& session);
// When the first certificate of the client's chain expires, in seconds since 1970; after the handshake, a
// resumed one too.
std::time_t chain_expiry(SSL& session);
// Verifies the certificate once more, by what `context` trusts. The intermediate certificates of a resumed
// session are not known any more: it holds then only if client_ca has them.
bool still_verifies(const SSL& session, SSL_CTX* context);

}  // namespace mcgate::proxy
