// The messages of log-ins: the text protocol's (a `set`, as memcached -Y has it), SASL PLAIN's, and how
// SCRAM's begin.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "protocol/request.hpp"

namespace mcgate::protocol {

// A user and a password, as views into the message. Byte strings: compared whole, never as C strings.
struct Credentials {
  std::string_view user;
  std::string_view password;
};

// The most that a log-in's token may be, in bytes, in text and binary.
inline constexpr std::size_t kMaxLoginToken = 4096;
// The longest name of a user, in bytes.
inline constexpr std::size_t kMaxUserName = 255;

// Splits the data of a text log-in, "user password" (the first space ends the user, the rest is the
// password). Refused: no space, an empty part, a NUL in either, a name over kMaxUserName.
std::expected<Credentials, std::string_view> parse_login_token(std::string_view data);

// Splits a SASL PLAIN message, authzid NUL authcid NUL password (RFC 4616). The authzid must be empty or
// equal to the authcid.
std::expected<Credentials, std::string_view> parse_plain(std::string_view message);

// What a client of SCRAM can do about channel binding, as its first message begins (RFC 5802 §6, the
// gs2-cbind-flag).
enum class ChannelBindingUse : std::uint8_t {
  Unable,   // "n"
  NotSeen,  // "y": it could, but does not think that the server can
  Bound,    // "p": it does
};
struct ChannelBindingFlag {
  ChannelBindingUse use = ChannelBindingUse::Unable;
  std::string_view type = {};  // of Bound: a view into the message, any bytes
};
// The flag, an authzid and then the name: libsasl2 looks for that one byte past a message that ends before
// it.
std::expected<ChannelBindingFlag, std::string_view> parse_channel_binding(std::string_view message);

// One message of a text session before it has logged in: request.caller.command is Set and request.value
// the token if it is a log-in (`set <any> <any> <any> <n>[ …]`; key and numbers but n unchecked, noreply
// ignored); Quit for quit; for everything else the request is skipped whole, data block and all, and
// Parsed comes with command Noop (or Broken with an empty reply): the session refuses it. Broken replies
// are CLIENT_ERROR lines as memcached -Y says them.
ParseResult parse_text_before_login(std::string_view input, const ParseLimits& limits, Request& request);

// The limits of a session before log-in: nobody makes us hold more than a few KB.
inline constexpr ParseLimits kLimitsBeforeLogin{.line_bytes = 2048,
                                                .get_line_bytes = 2048,
                                                .keys = 100,
                                                .value_bytes = kMaxLoginToken,
                                                .swallow_bytes = 1'048'576};

}  // namespace mcgate::protocol
