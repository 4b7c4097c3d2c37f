#include "protocol/binary.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <concepts>
#include <cstring>
#include <utility>

namespace mcgate::protocol {
namespace {

using enum Opcode;
using enum Part;

// clang-format off
constexpr OpcodeRow kOpcodes[] = {
    // opcode  loud      command             extras  opt    key        value
    {Get,      Get,      Command::Get,       0,      false, Required,  false},
    {Set,      Set,      Command::Set,       8,      false, Required,  true},
    {Add,      Add,      Command::Add,       8,      false, Required,  true},
    {Replace,  Replace,  Command::Replace,   8,      false, Required,  true},
    {Delete,   Delete,   Command::Delete,    0,      false, Required,  false},
    {Incr,     Incr,     Command::Incr,      20,     false, Required,  false},
    {Decr,     Decr,     Command::Decr,      20,     false, Required,  false},
    {Quit,     Quit,     Command::Quit,      0,      false, Forbidden, false},
    {Flush,    Flush,    Command::FlushAll,  4,      true,  Forbidden, false},
    {GetQ,     Get,      Command::Get,       0,      false, Required,  false},
    {Noop,     Noop,     Command::Noop,      0,      false, Forbidden, false},
    {Opcode::Version, Opcode::Version, Command::Version, 0, false, Forbidden, false},
    {GetK,     GetK,     Command::Get,       0,      false, Required,  false},
    {GetKQ,    GetK,     Command::Get,       0,      false, Required,  false},
    {Append,   Append,   Command::Append,    0,      false, Required,  true},
    {Prepend,  Prepend,  Command::Prepend,   0,      false, Required,  true},
    {Stat,     Stat,     Command::Stats,     0,      false, Optional,  false},
    {SetQ,     Set,      Command::Set,       8,      false, Required,  true},
    {AddQ,     Add,      Command::Add,       8,      false, Required,  true},
    {ReplaceQ, Replace,  Command::Replace,   8,      false, Required,  true},
    {DeleteQ,  Delete,   Command::Delete,    0,      false, Required,  false},
    {IncrQ,    Incr,     Command::Incr,      20,     false, Required,  false},
    {DecrQ,    Decr,     Command::Decr,      20,     false, Required,  false},
    {QuitQ,    Quit,     Command::Quit,      0,      false, Forbidden, false},
    {FlushQ,   Flush,    Command::FlushAll,  4,      true,  Forbidden, false},
    {AppendQ,  Append,   Command::Append,    0,      false, Required,  true},
    {PrependQ, Prepend,  Command::Prepend,   0,      false, Required,  true},
    {Touch,    Touch,    Command::Touch,     4,      false, Required,  false},
    {Gat,      Gat,      Command::Gat,       4,      false, Required,  false},
    {GatQ,     Gat,      Command::Gat,       4,      false, Required,  false},
    {SaslList, SaslList, Command::SaslList,  0,      false, Forbidden, false},
    {SaslAuth, SaslAuth, Command::SaslAuth,  0,      false, Required,  true},
    {SaslStep, SaslStep, Command::SaslStep,  0,      false, Optional,  true},
    {GatK,     GatK,     Command::Gat,       4,      false, Required,  false},
    {GatKQ,    GatK,     Command::Gat,       4,      false, Required,  false},
};
// clang-format on

constexpr std::size_t kNoRow = std::size(kOpcodes);

// Where each of the 256 opcodes has its row.
constexpr auto kRowOf = [] {
  std::array<std::uint8_t, 256> rows{};
  rows.fill(kNoRow);
  for (std::size_t i = 0; i < kNoRow; ++i) {
    rows[static_cast<std::uint8_t>(kOpcodes[i].opcode)] = static_cast<std::uint8_t>(i);
  }
  return rows;
}();

consteval bool each_opcode_once() {
  for (std::size_t i = 0; i < kNoRow; ++i) {
    if (kRowOf[static_cast<std::uint8_t>(kOpcodes[i].opcode)] != i) return false;
  }
  return true;
}
static_assert(each_opcode_once());

// A quiet opcode differs from its loud one in nothing but how it is answered.
consteval bool quiet_as_loud() {
  for (const OpcodeRow& quiet : kOpcodes) {
    const std::size_t at = kRowOf[static_cast<std::uint8_t>(quiet.loud)];
    if (at == kNoRow) return false;
    const OpcodeRow& loud = kOpcodes[at];
    if (loud.quiet() || loud.command != quiet.command || loud.extras != quiet.extras ||
        loud.extras_optional != quiet.extras_optional || loud.key != quiet.key || loud.value != quiet.value) {
      return false;
    }
  }
  return true;
}
static_assert(quiet_as_loud());

struct StatRow {
  std::string_view name;
  Command command;
};
constexpr StatRow kStats[] = {
    {"items", Command::StatsItems},   {"slabs", Command::StatsSlabs},
    {"sizes", Command::StatsSizes},   {"conns", Command::StatsConns},
    {"reset", Command::StatsReset},   {"settings", Command::StatsSettings},
    {"detail", Command::StatsDetail}, {"extstore", Command::StatsExtstore},
};

// From big-endian to host order, or back.
template <std::unsigned_integral T>
constexpr T turn(T number) {
  return std::endian::native == std::endian::big ? number : std::byteswap(number);
}

template <std::unsigned_integral T>
T read_big_endian(std::string_view input) {
  assert(input.size() >= sizeof(T));
  T number{};
  std::memcpy(&number, input.data(), sizeof number);
  return turn(number);
}

// Writes a number and returns where the next one goes.
template <std::unsigned_integral T>
char* write_big_endian(T number, char* to) {
  number = turn(number);
  std::memcpy(to, &number, sizeof number);
  return to + sizeof number;
}

template <std::unsigned_integral T>
void put_big_endian(T number, Writer& out) {
  write_big_endian(number, out.take(sizeof number));
}

void write_header(const Header& header, char* to) {
  to = write_big_endian(header.magic, to);
  to = write_big_endian(header.opcode, to);
  to = write_big_endian(header.key_bytes, to);
  to = write_big_endian(header.extras_bytes, to);
  to = write_big_endian(header.datatype, to);
  to = write_big_endian(header.status, to);
  to = write_big_endian(header.body_bytes, to);
  to = write_big_endian(header.opaque, to);
  write_big_endian(header.cas, to);
}

std::string_view memcached_text(Status status) {
  switch (status) {
    case Status::NotFound:
      return "Not found";
    case Status::TooLarge:
      return "Too large.";
    case Status::InvalidArguments:
      return "Invalid arguments";
    case Status::AuthError:
      return "Auth failure.";
    case Status::UnknownCommand:
      return "Unknown command";
    case Status::Ok:
    case Status::Exists:
    case Status::NotStored:
    case Status::NonNumeric:
    case Status::AuthContinue:
    case Status::NoAccess:
    case Status::OutOfMemory:
    case Status::Busy:
    case Status::TemporaryFailure:
      break;
  }
  assert(false && "not a status that a malformed request has");
  return "Invalid arguments";
}

// The extras of a request in its loud form.
void put_extras(const Request& request, Opcode loud, Writer& out) {
  const auto exptime = static_cast<std::uint32_t>(request.exptime);
  switch (loud) {
    case Set:
    case Add:
    case Replace:
      put_big_endian(request.flags, out);
      put_big_endian(exptime, out);
      break;
    case Incr:
    case Decr:
      put_big_endian(request.delta, out);
      put_big_endian(request.initial, out);
      put_big_endian(exptime, out);
      break;
    case Touch:
    case Gat:
    case GatK:
      put_big_endian(exptime, out);
      break;
    case Flush:
      if (exptime != 0) put_big_endian(exptime, out);  // 0 says the same as none
      break;
    case Get:
    case GetK:
    case Delete:
    case Append:
    case Prepend:
    case Stat:
    case Noop:
    case Opcode::Version:
    case Quit:
    case SaslList:
    case SaslAuth:
    case SaslStep:
      break;
    case GetQ:
    case GetKQ:
    case SetQ:
    case AddQ:
    case ReplaceQ:
    case DeleteQ:
    case IncrQ:
    case DecrQ:
    case QuitQ:
    case FlushQ:
    case AppendQ:
    case PrependQ:
    case GatQ:
    case GatKQ:
      assert(false && "not a loud opcode");
  }
}

// A Stat's key is its words.
void put_key(const Request& request, const OpcodeRow& loud, Writer& out) {
  if (loud.opcode != Stat) {
    if (loud.key == Forbidden) return;
    out.put(request.name_space);
    out.put(request.keys.front());
    return;
  }
  bool first = true;
  for (const std::string_view word : request.words) {
    if (!std::exchange(first, false)) out.put(' ');
    out.put(word);
  }
}

// Bytes of the request's packet, at most.
std::size_t longest(const Request& request) {
  constexpr std::size_t kLongestExtras = 20;
  std::size_t bytes = kHeaderBytes + kLongestExtras + request.name_space.size() + request.value.size();
  for (const std::string_view key : request.keys) bytes += key.size();
  for (const std::string_view word : request.words) bytes += 1 + word.size();
  return bytes;
}

}  // namespace

Header read_header(std::string_view input) {
  assert(input.size() >= kHeaderBytes);
  return {.magic = static_cast<std::uint8_t>(input[0]),
          .opcode = static_cast<std::uint8_t>(input[1]),
          .key_bytes = read_u16(input.substr(2)),
          .extras_bytes = static_cast<std::uint8_t>(input[4]),
          .datatype = static_cast<std::uint8_t>(input[5]),
          .status = read_u16(input.substr(6)),
          .body_bytes = read_u32(input.substr(8)),
          .opaque = read_u32(input.substr(12)),
          .cas = read_u64(input.substr(16))};
}

void put_header(const Header& header, Writer& out) {
  write_header(header, out.take(kHeaderBytes));
}

void append_header(const Header& header, std::string& out) {
  Writer::append(out, kHeaderBytes, [&](Writer& bytes) { put_header(header, bytes); });
}

std::uint16_t read_u16(std::string_view input) {
  return read_big_endian<std::uint16_t>(input);
}
std::uint32_t read_u32(std::string_view input) {
  return read_big_endian<std::uint32_t>(input);
}
std::uint64_t read_u64(std::string_view input) {
  return read_big_endian<std::uint64_t>(input);
}

const OpcodeRow* find_opcode(std::uint8_t opcode) {
  return kRowOf[opcode] == kNoRow ? nullptr : &kOpcodes[kRowOf[opcode]];
}

std::optional<Command> stat_command(std::string_view first_word) {
  const auto* found = std::ranges::find(kStats, first_word, &StatRow::name);
  if (found == std::end(kStats)) return std::nullopt;
  return found->command;
}

void append_response(std::uint8_t opcode, std::uint32_t opaque, Status status, std::string_view body,
                     std::string& out) {
  append_header({.magic = kResponseMagic,
                 .opcode = opcode,
                 .status = static_cast<std::uint16_t>(status),
                 .body_bytes = static_cast<std::uint32_t>(body.size()),
                 .opaque = opaque},
                out);
  out += body;
}

void append_error(std::uint8_t opcode, std::uint32_t opaque, Status status, std::string& out) {
  append_response(opcode, opaque, status, memcached_text(status), out);
}

void compose_binary(const Request& request, std::uint32_t sequence, std::string& out) {
  const OpcodeRow* asked = find_opcode(request.caller.opcode);
  assert(asked != nullptr && row(request.caller.command).reply != ReplyShape::Local);
  const OpcodeRow& loud = *find_opcode(static_cast<std::uint8_t>(asked->loud));

  // The header's lengths are those of what follows it, whatever that is: they can't disagree.
  Writer::append(out, longest(request), [&](Writer& packet) {
    char* const header = packet.take(kHeaderBytes);
    const char* const extras = packet.place();
    put_extras(request, loud.opcode, packet);
    const char* const key = packet.place();
    put_key(request, loud, packet);
    const char* const value = packet.place();
    if (loud.value) packet.put(request.value);
    write_header({.opcode = static_cast<std::uint8_t>(loud.opcode),
                  .key_bytes = static_cast<std::uint16_t>(value - key),
                  .extras_bytes = static_cast<std::uint8_t>(key - extras),
                  .body_bytes = static_cast<std::uint32_t>(packet.place() - extras),
                  .opaque = sequence,
                  .cas = request.cas},
                 header);
  });
}

}  // namespace mcgate::protocol
