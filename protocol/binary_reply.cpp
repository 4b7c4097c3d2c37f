// Replies of the binary protocol: each proves itself by magic, opcode, opaque and the lengths that its
// command's reply has, and is given back the opcode and the opaque that the client sent.
#include <algorithm>
#include <array>
#include <cstdint>

#include "protocol/binary.hpp"
#include "protocol/reply_line.hpp"

namespace mcgate::protocol {
namespace {

using enum Command;

// The most that an error's text may be, in bytes.
constexpr std::size_t kMaxErrorText = 1024;
// The most that one statistic may be: `detail dump` comes in one piece.
constexpr std::size_t kMaxStatistic = 1'048'576;

constexpr CommandSet kReads = CommandSet{Get} | Gat;
constexpr CommandSet kStatistics = CommandSet{Stats} | StatsItems | StatsSlabs | StatsSizes | StatsConns |
                                   StatsSettings | StatsReset | StatsDetail | StatsCachedump | StatsExtstore;

struct BinaryRow {
  CommandSet commands;
  std::array<Status, 6> failures;  // filled up with Ok
  std::uint8_t extras;             // of a success
  std::size_t value_min, value_max;
};

// What is missing, above all InvalidArguments and UnknownCommand, memcached only says to a malformed request:
// then it and we disagree about where a request begins. AuthError to FlushAll means `-F`.
// clang-format off: a table
constexpr std::array kRows = std::to_array<BinaryRow>({
    {kReads, {Status::NotFound, Status::OutOfMemory}, 4, 0, kMaxReplyValue},
    {Touch, {Status::NotFound, Status::OutOfMemory}, 4, 0, 0},
    {CommandSet{Set} | Add | Replace | Cas | Append | Prepend,
     {Status::NotFound, Status::Exists, Status::TooLarge, Status::NotStored, Status::OutOfMemory}, 0, 0, 0},
    {CommandSet{Incr} | Decr,
     {Status::NotFound, Status::Exists, Status::NotStored, Status::NonNumeric, Status::OutOfMemory}, 0, 8, 8},
    {Delete, {Status::NotFound, Status::Exists}, 0, 0, 0},
    {FlushAll, {Status::AuthError}, 0, 0, 0},
    {kStatistics, {Status::NotFound, Status::OutOfMemory}, 0, 0, kMaxStatistic},
});
// clang-format on

const BinaryRow* find_binary_row(Command command) {
  const auto* const found =
      std::ranges::find_if(kRows, [&](const BinaryRow& row) { return row.commands.contains(command); });
  return found == kRows.end() ? nullptr : found;
}

// What the header of a reply makes of its body.
enum class Body : std::uint8_t { Impossible, Success, KeyOfMiss, ErrorText };

Body success(const Header& header, const BinaryRow& row, const Expected& expected) {
  const std::size_t before_value = std::size_t{header.extras_bytes} + header.key_bytes;
  if (header.extras_bytes != row.extras || header.body_bytes < before_value) return Body::Impossible;
  const std::size_t value = header.body_bytes - before_value;
  if (value < row.value_min || value > row.value_max) return Body::Impossible;
  if (kStatistics.contains(expected.caller.command)) {
    // A name with its value, or the end, which is empty.
    return header.key_bytes > 0 || value == 0 ? Body::Success : Body::Impossible;
  }
  const bool with_key = answers_with_key(Opcode{expected.caller.opcode});
  return header.key_bytes == (with_key ? expected.keys.size() : 0) ? Body::Success : Body::Impossible;
}

Body failure(const Header& header, const BinaryRow& row, const Expected& expected) {
  const auto known = std::ranges::find(row.failures, Status{header.status});
  if (known == row.failures.end() || header.extras_bytes != 0) return Body::Impossible;
  const bool with_key = answers_with_key(Opcode{expected.caller.opcode});
  if (with_key && Status{header.status} == Status::NotFound) {
    const bool key_only = header.key_bytes == expected.keys.size() && header.body_bytes == header.key_bytes;
    return key_only ? Body::KeyOfMiss : Body::Impossible;
  }
  return header.key_bytes == 0 && header.body_bytes <= kMaxErrorText ? Body::ErrorText : Body::Impossible;
}

bool right_body(Body kind, const Header& header, std::string_view body, const Expected& expected) {
  const std::string_view key =
      body.substr(std::min<std::size_t>(header.extras_bytes, body.size()), header.key_bytes);
  switch (kind) {
    case Body::Impossible:
      return false;
    case Body::ErrorText:
      return printable(body);
    case Body::KeyOfMiss:
      return key == expected.keys;
    case Body::Success:
      return key.empty() || kStatistics.contains(expected.caller.command) || key == expected.keys;
  }
  return false;
}

// Whether a quiet opcode keeps this from the client: a read's miss and any other command's success.
bool silenced(const Caller& caller, Status status) {
  if (!caller.quiet) return false;
  const bool read = kReads.contains(caller.command);
  return status == (read ? Status::NotFound : Status::Ok);
}

// The packet as the client is to see it: with its own opcode and opaque, its key without the namespace.
void append_packet(Header header, std::string_view body, const Expected& expected, std::string& out) {
  header.opcode = expected.caller.opcode;
  header.opaque = expected.caller.opaque;
  const bool strips = header.key_bytes > 0 && expected.namespace_bytes != 0;
  if (strips) {
    header.key_bytes = static_cast<std::uint16_t>(header.key_bytes - expected.namespace_bytes);
    header.body_bytes -= expected.namespace_bytes;
  }
  Writer::append(out, kHeaderBytes + body.size(), [&](Writer& packet) {
    put_header(header, packet);
    if (strips) {
      packet.put(body.substr(0, header.extras_bytes));
      body.remove_prefix(std::size_t{header.extras_bytes} + expected.namespace_bytes);
    }
    packet.put(body);
  });
}

}  // namespace

ReplyResult read_binary_reply(std::string_view input, Expected& expected, std::string& out) {
  const OpcodeRow* const opcode = find_opcode(expected.caller.opcode);
  const BinaryRow* const row = find_binary_row(expected.caller.command);
  if (opcode == nullptr || row == nullptr) return ReplyPoisoned{"a reply to what has none"};
  if (!input.empty() && static_cast<std::uint8_t>(input[0]) != kResponseMagic) {
    return ReplyPoisoned{"not a binary reply"};
  }
  if (input.size() < kHeaderBytes) return ReplyNeedsMore{kHeaderBytes};
  const Header header = read_header(input);
  if (Opcode{header.opcode} != opcode->loud) return ReplyPoisoned{"not the opcode that we sent"};
  if (header.opaque != expected.sequence.number()) return ReplyPoisoned{"not the opaque that we sent"};
  if (header.datatype != 0) return ReplyPoisoned{"a datatype that nobody asked for"};
  const Status status{header.status};
  const Body kind = status == Status::Ok ? success(header, *row, expected) : failure(header, *row, expected);
  if (kind == Body::Impossible) return ReplyPoisoned{"not a status and lengths that this command has"};

  const std::size_t total = kHeaderBytes + header.body_bytes;
  if (input.size() < total) return ReplyNeedsMore{total};
  const std::string_view body = input.substr(kHeaderBytes, header.body_bytes);
  if (!right_body(kind, header, body, expected)) return ReplyPoisoned{"another key, or no text"};
  const bool goes_on =
      kStatistics.contains(expected.caller.command) && kind == Body::Success && header.body_bytes > 0;
  if (goes_on && !count_statistic(expected, total)) return kEndlessStatistics;
  if (!silenced(expected.caller, status)) append_packet(header, body, expected, out);
  if (!goes_on) return ReplyEnd{total};
  expected.began = true;
  return ReplyPart{total};
}

}  // namespace mcgate::protocol
