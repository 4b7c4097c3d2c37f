// The parts of memcached's binary protocol that parsing, composing and reading replies have in common: the
// 24-byte header and the table of opcodes. Internal to protocol/; pure, used from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/command.hpp"
#include "protocol/request.hpp"
#include "protocol/writer.hpp"

namespace mcgate::protocol {

inline constexpr std::size_t kHeaderBytes = 24;
inline constexpr std::uint8_t kRequestMagic = 0x80;
inline constexpr std::uint8_t kResponseMagic = 0x81;

// An exptime of incr and decr that says: don't create the item.
inline constexpr std::uint32_t kDontCreate = 0xffffffff;

// The longest name of a SASL mechanism, in bytes, as memcached has it.
inline constexpr std::size_t kMaxMechanism = 32;

// clang-format off
enum class Opcode : std::uint8_t {
  Get = 0x00, Set = 0x01, Add = 0x02, Replace = 0x03, Delete = 0x04, Incr = 0x05, Decr = 0x06, Quit = 0x07,
  Flush = 0x08, GetQ = 0x09, Noop = 0x0a, Version = 0x0b, GetK = 0x0c, GetKQ = 0x0d, Append = 0x0e,
  Prepend = 0x0f, Stat = 0x10, SetQ = 0x11, AddQ = 0x12, ReplaceQ = 0x13, DeleteQ = 0x14, IncrQ = 0x15,
  DecrQ = 0x16, QuitQ = 0x17, FlushQ = 0x18, AppendQ = 0x19, PrependQ = 0x1a, Touch = 0x1c, Gat = 0x1d,
  GatQ = 0x1e, SaslList = 0x20, SaslAuth = 0x21, SaslStep = 0x22, GatK = 0x23, GatKQ = 0x24,
};
// clang-format on

enum class Status : std::uint16_t {
  Ok = 0x00,
  NotFound = 0x01,
  Exists = 0x02,
  TooLarge = 0x03,
  InvalidArguments = 0x04,
  NotStored = 0x05,
  NonNumeric = 0x06,
  AuthError = 0x20,
  AuthContinue = 0x21,
  NoAccess = 0x24,
  UnknownCommand = 0x81,
  OutOfMemory = 0x82,
  Busy = 0x85,
  TemporaryFailure = 0x86,
};

// A request's or response's header, in host order. The body is extras, key and value, in this order.
struct Header {
  std::uint8_t magic = kRequestMagic;
  std::uint8_t opcode = 0;
  std::uint16_t key_bytes = 0;
  std::uint8_t extras_bytes = 0;
  std::uint8_t datatype = 0;
  std::uint16_t status = 0;  // of a response; a request's vbucket
  std::uint32_t body_bytes = 0;
  std::uint32_t opaque = 0;
  std::uint64_t cas = 0;
};

// Reads a header from the first kHeaderBytes of `input`, which must be there.
Header read_header(std::string_view input);
// Appends the header as it goes over the wire; its lengths are the caller's to have right.
void append_header(const Header& header, std::string& out);
void put_header(const Header& header, Writer& out);

// Big-endian numbers: reading needs as many bytes at the start of `input`.
std::uint16_t read_u16(std::string_view input);
std::uint32_t read_u32(std::string_view input);
std::uint64_t read_u64(std::string_view input);

enum class Part : std::uint8_t { Forbidden, Optional, Required };

// What a request with that opcode looks like and stands for.
struct OpcodeRow {
  Opcode opcode;
  Opcode loud;  // itself, if it isn't quiet
  Command command;
  std::uint8_t extras;   // bytes
  bool extras_optional;  // none at all are right too
  Part key;
  bool value;

  constexpr bool quiet() const { return opcode != loud; }
};

// The row of an opcode; nothing for one that memcached does not have, or has no code behind (Verbosity, R*).
const OpcodeRow* find_opcode(std::uint8_t opcode);

// Whether the request's key is named in a hit's answer (GetK, GatK and their quiet forms).
constexpr bool answers_with_key(Opcode opcode) {
  return opcode == Opcode::GetK || opcode == Opcode::GetKQ || opcode == Opcode::GatK ||
         opcode == Opcode::GatKQ;
}

// The statistics that a binary Stat may name, exactly, by the key's first word; words may follow where the
// command takes them. Without a key it is Command::Stats.
std::optional<Command> stat_command(std::string_view first_word);

// Appends a response that has nothing but a status and a body: memcached's layout for errors (whose body is
// a text), versions and log-ins.
void append_response(std::uint8_t opcode, std::uint32_t opaque, Status status, std::string_view body,
                     std::string& out);
// The same with memcached's own text for that status, which must be an error that memcached gives a
// malformed request: NotFound, TooLarge, InvalidArguments, AuthError or UnknownCommand.
void append_error(std::uint8_t opcode, std::uint32_t opaque, Status status, std::string& out);

// compose() for a binary request: the loud opcode, `sequence` as the opaque, datatype and vbucket zero.
void compose_binary(const Request& request, std::uint32_t sequence, std::string& out);

}  // namespace mcgate::protocol
