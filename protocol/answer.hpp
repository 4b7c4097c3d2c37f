// The answers that mcgate gives by itself, each in the dialect of who asked: refusals, errors, versions,
// fences and the steps of a log-in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/request.hpp"

namespace mcgate::protocol {

enum class Refusal : std::uint8_t {
  Unauthenticated,        // text: CLIENT_ERROR unauthenticated; binary: 0x20 Auth failure.
  AuthenticationFailure,  // text: CLIENT_ERROR authentication failure; binary: 0x20 Auth failure.
  BadLoginToken,          // text: CLIENT_ERROR bad authentication token format; binary: 0x20 Auth failure.
  AccessDenied,           // text: CLIENT_ERROR access denied; binary: 0x20 (or 0x24) Access denied
  Unsupported,            // the backend's version lacks it. text: ERROR, as it would say; binary: 0x81
  UpstreamDown,           // SERVER_ERROR upstream unavailable; binary 0x86
  UpstreamTimeout,        // SERVER_ERROR upstream timed out; binary 0x86
  // What a user's limits allow is taken. text: CLIENT_ERROR limit exceeded: <which>; binary as AccessDenied
  TtlLimit,
  RequestsLimit,
  BytesLimit,
  ConnectionsLimit,
  TooManyStreams,  // SERVER_ERROR too many streams; binary 0x85 Too many streams
  // Of a log-in that nobody has judged. text: CLIENT_ERROR, as memcached's own log-in answers; binary: 0x85
  TooManyLogins,   // too many log-ins wait, try again later
  LoginUnchecked,  // log-ins cannot be checked now, try again later
};

// The binary status of AccessDenied: 0x20 unless configured to 0x24.
enum class DeniedStatus : std::uint16_t { AuthError = 0x20, NoAccess = 0x24 };

// What became of a refusal.
enum class Told : std::uint8_t {
  Answered,  // something was appended
  Silent,    // the caller is quiet and its protocol has it so: it learns from the fence at most
};

// Appends a refusal. What concerns log-in is always answered, as memcached does it. Of the rest, text's
// `noreply` is silent, and so is a quiet binary read (GetQ, GetKQ, GatQ, GatKQ: the fence behind it carries
// the error). Other quiet binary requests are answered, and so is meta with `q`, reads included: a meta error
// is never silent, and clients expect error lines before their MN.
Told compose_refusal(const Caller& caller, Refusal refusal, DeniedStatus denied, std::string& out);

// VERSION <text>, or the binary packet.
void compose_version(const Caller& caller, std::string_view version, std::string& out);
// The answer to a read of nothing but what may not be read, where that is to look as if it were not there:
// END, EN or status 0x01, in the words of memcached; a quiet one has none.
void compose_miss(const Request& request, std::string& out);
// MN, or the binary NOOP packet.
void compose_noop(const Caller& caller, std::string& out);
// Binary QUIT's answer; quiet and text quit have none.
void compose_quit(const Caller& caller, std::string& out);

// The text log-in's success.
void compose_text_login_accepted(std::string& out);

// SASL over binary: the list of mechanisms, joined by spaces; 0x81 where nobody need log in; success
// ("Authenticated"); 0x21 with a challenge; 0x04 for a mechanism name over 32 bytes.
void compose_sasl_mechanisms(const Caller& caller, std::string_view mechanisms, std::string& out);
void compose_unknown_command(const Caller& caller, std::string& out);
void compose_sasl_success(const Caller& caller, std::string& out);
void compose_sasl_challenge(const Caller& caller, std::string_view challenge, std::string& out);
void compose_invalid_arguments(const Caller& caller, std::string& out);

}  // namespace mcgate::protocol
