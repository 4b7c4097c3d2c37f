// A password asked of saslauthd, and so of PAM, LDAP or whatever it is set up to ask, by the protocol of its
// Unix socket: login, password, service and realm, each behind its length, and "OK…" or "NO…" for an answer.
//
// Not through libsasl2, whose client of saslauthd waits for ever on one that hangs. Blocks until the deadline
// at the latest: called on a runner's thread for slow log-ins, never on a worker's.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "conf/config.hpp"

namespace mcgate::auth {

// What it is told asks: PAM's service is /etc/pam.d/memcached, as for memcached's own SASL.
inline constexpr std::string_view kSaslauthdService = "memcached";
// The longest password that it is asked about, in bytes.
inline constexpr std::size_t kMaxAskedPassword = 256;

// Why it is not asked about that password, which is nobody's then; empty if it is.
std::string_view why_not_asked(std::string_view password);
// Whether it says that this is the user's password. Of "user@realm" the realm goes apart, as libsasl2 sends
// it. The error is that nobody can say: it is not there, does not answer in time, or not as it should.
std::expected<bool, std::string> ask_saslauthd(const conf::Saslauthd& saslauthd, std::string_view user,
                                               std::string_view password);

}  // namespace mcgate::auth
