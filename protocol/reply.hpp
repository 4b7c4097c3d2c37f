// memcached's replies, proven to belong to the request they answer, in the form the client is to get.
//
// An upstream link keeps one Expected for each request in flight, in order, and reuses the objects, so that
// their strings keep their capacity. read_reply() is pure: no I/O, no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "protocol/request.hpp"

namespace mcgate::protocol {

// The longest value, and the longest line of any other kind with its end, that a reply may have, in bytes.
inline constexpr std::size_t kMaxReplyValue = 134'217'728;
inline constexpr std::size_t kMaxReplyLine = 8192;
// The most that all statistics of one reply may come to, in bytes: `stats conns` has some 200 for each of
// memcached's connections.
inline constexpr std::size_t kMaxReplyStatistics = 67'108'864;

// What one request in flight may be answered with.
struct Expected {
  Caller caller;
  Sequence sequence;  // what compose() was given
  Version backend;    // of the link the request is on
  // The keys sent, joined by single spaces; a reply's keys must be among them, in order. None where a reply
  // proves itself otherwise: to mg, ms, md and ma, and in binary unless it bears the key.
  std::string keys;
  std::uint8_t namespace_bytes = 0;  // of each of them: not the client's, who is not shown them
  std::size_t next_key = 0;          // offset into `keys` of the first that may still be answered
  FlagSet meta_letters;              // the client's meta flags
  // What follows code and size in the client's line, if memcached returns all: ` kfoo b Oabc s t`. Key and
  // opaque are the client's; a letter alone stands for what memcached says. Of `me`: `foo`.
  std::string meta_told;
  FlagSet meta_returns;        // the letters alone
  bool hides_tokens = false;   // mg: W, X and Z are kept from the client
  bool began = false;          // some part of the reply has been read
  std::size_t statistics = 0;  // bytes of them that have been read
  // A get whose line holds the keys of further requests behind its own, all keys of the line distinct: its
  // reply ends (with ReplyEnd{0}) where a VALUE is not its own, or before the line's END.
  bool line_goes_on = false;
  // A window of a large get: further windows follow, so that its END is not the client's.
  bool window_goes_on = false;
};

// Fills `expected` with what a request that compose() wrote may be answered with.
void expect(const Request& request, const Sequence& sequence, const Version& backend, Expected& expected);

// The reply is not whole yet: call again when at least `total` bytes are there.
struct ReplyNeedsMore {
  std::size_t total;
};
// One part of it (a VALUE block, a STAT line, a packet): `consumed` bytes; more follows.
struct ReplyPart {
  std::size_t consumed;
};
// Its end: the request is answered.
struct ReplyEnd {
  std::size_t consumed;
};
// Not an answer this request can have: nothing that comes from this link can be trusted any more.
struct ReplyPoisoned {
  std::string_view reason;  // static text, for the log; never bytes of the reply
};
using ReplyResult = std::variant<ReplyNeedsMore, ReplyPart, ReplyEnd, ReplyPoisoned>;

// Reads the next part of the reply to `expected` from the start of input and appends to `out` what the
// client is to get for it: nothing where its quiet form says so, its own opaque, key and opcode put back.
// Nothing is appended, and `expected` stays as it was, when it returns ReplyNeedsMore or ReplyPoisoned.
ReplyResult read_reply(std::string_view input, Expected& expected, std::string& out);

// The probe that each new link sends first, and its reply: the version if the reply is exactly that.
inline constexpr std::string_view kTextProbe = "version\r\n";
std::string_view binary_probe();
struct ProbeNeedsMore {};
struct ProbeFailed {
  std::string text;  // printable, at most 100 bytes: what the backend said instead
};
struct ProbeAnswer {
  Version version;
  std::string text;  // as the backend says it, e.g. "1.6.18"; printable ASCII
  std::size_t consumed;
};
using ProbeResult = std::variant<ProbeNeedsMore, ProbeFailed, ProbeAnswer>;
ProbeResult read_probe(Dialect dialect, std::string_view input);

}  // namespace mcgate::protocol
