// A client's request, parsed strictly, and what parsing may come to.
//
// One Request object is owned by each worker and filled again for each request, so that its vectors keep
// their capacity. Everything in it that is a view looks into the input that was parsed (or into
// `decoded_key`), and is valid until that input moves or the object is filled again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/command.hpp"
#include "protocol/key.hpp"
#include "protocol/sequence.hpp"

namespace mcgate::protocol {

// To whom an answer goes and in what form: all that is needed to compose one. Copied into reply slots.
struct Caller {
  Command command = Command::Noop;
  Dialect dialect = Dialect::Text;
  bool quiet = false;        // `noreply`, meta `q`, a quiet opcode
  std::uint8_t opcode = 0;   // binary: as the client sent it
  std::uint32_t opaque = 0;  // binary: as the client sent it, in host order
};

// One meta flag: its letter and, for flags that take one, its argument ("T30" is {'T', "30"}).
struct MetaFlag {
  char letter;
  std::string_view argument;
};

// A set of meta flags, by their letters.
class FlagSet {
 public:
  constexpr FlagSet() = default;
  constexpr explicit FlagSet(std::string_view letters) {
    for (const char letter : letters) add(letter);
  }
  // Whether a flag can have that letter at all; what follows is for these only.
  static constexpr bool is_letter(char c) { return c >= 'A' && c <= 'z'; }
  constexpr void add(char letter) { bits_ |= bit(letter); }
  constexpr bool contains(char letter) const { return (bits_ & bit(letter)) != 0; }
  constexpr bool intersects(FlagSet any) const { return (bits_ & any.bits_) != 0; }
  constexpr bool empty() const { return bits_ == 0; }

 private:
  static constexpr std::uint64_t bit(char letter) { return std::uint64_t{1} << (letter - 'A'); }
  std::uint64_t bits_ = 0;
};

struct Request {
  Request() = default;
  Request(const Request&) = delete;  // views may look into decoded_key
  Request& operator=(const Request&) = delete;

  Caller caller;
  // All of these must be granted for each key: the command's own, and those its meta flags stand for.
  CommandSet needs;
  // Decoded keys; empty for commands without. For SASL auth and step: the mechanism, unchecked, if sent.
  std::vector<std::string_view> keys;
  // The caller's namespace: put before each key on its way up, and taken off each in the reply. Empty: none.
  // Not the parsers' to know; whoever sends the request sets it.
  std::string_view name_space;
  // The data block without its CRLF; the binary value; the SASL token.
  std::string_view value;

  std::uint32_t flags = 0;
  // As text has it. Binary: from 2^31 on, which is a far date there, it is 0, never; -1 only for incr and
  // decr that create nothing.
  std::int32_t exptime = 0;
  std::uint64_t cas = 0;
  std::uint64_t delta = 0;
  std::uint64_t initial = 0;  // binary incr, decr

  // Text admin commands and stats: the words after the command, each checked, numbers in canonical form
  // or, where there is one, the binary stat key's.
  std::vector<std::string_view> words;

  // mg: whether its key may be written by whoever asks. Where not, the tokens that say who is to write a
  // stale item anew are kept from it.
  bool may_recache = true;

  // Meta: the flags in the client's order, each letter at most once, and the key as it was sent (base64
  // where `b` is among the flags).
  std::vector<MetaFlag> meta_flags;
  FlagSet meta_letters;  // theirs
  std::string_view meta_key_sent;

  std::string decoded_key;  // owns keys[0] where it was base64

  // The first key that may not be read, where that reads as a miss: it is not among the keys any more.
  std::string_view denied_key;
  std::array<char, 12> capped_ttl{};  // owns the argument of meta flags that were too long

  // As new, but for the capacity of its vectors.
  void clear() {
    caller = {};
    needs = {};
    keys.clear();
    name_space = {};
    value = {};
    flags = 0;
    exptime = 0;
    cas = delta = initial = 0;
    words.clear();
    may_recache = true;
    meta_flags.clear();
    meta_letters = {};
    meta_key_sent = {};
    decoded_key.clear();
    denied_key = {};
  }
};

// Bounds of the parsers, in bytes unless said otherwise.
struct ParseLimits {
  std::size_t line_bytes = 2048;           // a command line with its end, other than get and gets
  std::size_t get_line_bytes = 262'144;    // a line of get or gets
  std::size_t keys = 10'000;               // keys in one request
  std::size_t value_bytes = 1'048'576;     // a data block
  std::size_t swallow_bytes = 67'108'864;  // a data block that is refused but still read past
  std::size_t namespace_bytes = 0;         // what goes before each key, and is no longer the client's to use

  constexpr std::size_t key_bytes() const { return kMaxKey - namespace_bytes; }
};

// Call again when at least `total` bytes of input are there (from the same start).
// `searched` of them hold no line end, and need not be looked through then.
struct NeedMore {
  std::size_t total;
  std::size_t searched = 0;
};
// The request stands in the Request; `consumed` bytes of input were it.
struct Parsed {
  std::size_t consumed;
};
// Not a request that can be served. The session answers `reply` (nothing if empty), drops `consumed`
// bytes of input and then the next `swallow` bytes as they come, and if `close` is set closes after the
// answer, because it can't be known where the next request would begin. Where the command was recognised,
// request.caller is set.
struct Broken {
  std::size_t consumed;
  std::size_t swallow;
  std::string reply;
  bool close;
  // The bound of ParseLimits that it was refused for.
  enum class Bound : std::uint8_t { None, Keys, ValueBytes };
  Bound bound = Bound::None;
};
using ParseResult = std::variant<NeedMore, Parsed, Broken>;

// Parses one classic text or meta request at the start of input (protocol.txt of memcached; strict where
// memcached is lax, see docs/architecture.md). Never looks at more than the limits allow. `searched` is what
// NeedMore said of the same input, and saves looking through a long line again with each piece of it.
ParseResult parse_text(std::string_view input, const ParseLimits& limits, Request& request,
                       std::size_t searched = 0);

// Parses one binary request (memcached's binary protocol, 24-byte header).
ParseResult parse_binary(std::string_view input, const ParseLimits& limits, Request& request);

// The first byte tells binary (0x80) from text.
inline constexpr char kBinaryMagic = '\x80';

// Appends the canonical, loud form of a parsed request, as an upstream connection gets it. Nothing in it
// is a byte range of the client's own line or header. `sequence` is our proof: the O of a meta request,
// the opaque of a binary one; classic text has no room for it.
void compose(const Request& request, const Sequence& sequence, std::string& out);

// Appends the keys of one more get or gets to the canonical line of the same command that ends `out`:
// memcached answers a line with a system call of its own, whatever the number of keys on it. The reply to
// each request is then told from the next one's by Expected::line_goes_on.
void compose_onto(const Request& request, std::string& out);

// Whether a memcached of that version understands the request as we would send it.
bool supported(const Request& request, const Version& backend);

}  // namespace mcgate::protocol
