#include <limits>
#include <optional>

#include "protocol/binary.hpp"
#include "protocol/key.hpp"
#include "protocol/login.hpp"
#include "protocol/request.hpp"

namespace mcgate::protocol {
namespace {

std::string error(const Header& header, Status status) {
  std::string reply;
  append_error(header.opcode, header.opaque, status, reply);
  return reply;
}

// Refused, and the connection is closed, as memcached does it: what the client takes for this request's
// body may not be what the header says.
Broken close_after(const Header& header, Status status) {
  return {kHeaderBytes, 0, error(header, status), true};
}

// Refused by its header alone: the body is read past, within bounds, and the connection goes on.
Broken skip_body(const Header& header, std::string reply, const ParseLimits& limits) {
  const bool too_long = header.body_bytes > limits.swallow_bytes;
  return {kHeaderBytes, too_long ? 0U : header.body_bytes, std::move(reply), too_long};
}

// Refused when all of it was there: the connection goes on behind it.
Broken drop(const Header& header, std::string reply) {
  return {kHeaderBytes + header.body_bytes, 0, std::move(reply), false};
}

// The answer to a key that breaks the key rule. To a quiet read it is none, a miss: there can be no such
// item, and an error amid a quiet multi-get puts clients out of step for ever.
std::string bad_key(const Header& header, const OpcodeRow& opcode) {
  if (opcode.quiet() && row(opcode.command).category == Category::Read) return {};
  return error(header, Status::InvalidArguments);
}

bool is_login(const OpcodeRow& opcode) {
  return opcode.command == Command::SaslAuth || opcode.command == Command::SaslStep;
}

// The bytes that extras and key leave of the body.
std::size_t value_bytes(const Header& header) {
  return std::size_t{header.body_bytes} - header.key_bytes - header.extras_bytes;
}

// Whether key, extras and value are what the opcode takes, neither less nor more. memcached itself runs the
// surplus of Touch, Gat, GatK and Stat as the next request.
bool in_form(const Header& header, const OpcodeRow& opcode) {
  const bool extras =
      header.extras_bytes == opcode.extras || (opcode.extras_optional && header.extras_bytes == 0);
  const bool key = (header.key_bytes > 0 || opcode.key != Part::Required) &&
                   (header.key_bytes == 0 || opcode.key != Part::Forbidden);
  return extras && key && (opcode.value || value_bytes(header) == 0);
}

// What the header alone is refused for. `opcode` is null where the table has no row for it.
std::optional<Broken> judge(const Header& header, const OpcodeRow* opcode, const ParseLimits& limits) {
  if (header.key_bytes + header.extras_bytes > header.body_bytes) {
    return close_after(header, Status::UnknownCommand);
  }
  if (opcode == nullptr) return skip_body(header, error(header, Status::UnknownCommand), limits);
  if (!in_form(header, *opcode)) return close_after(header, Status::InvalidArguments);
  if (is_login(*opcode)) {
    if (header.key_bytes > kMaxMechanism) {
      return skip_body(header, error(header, Status::InvalidArguments), limits);
    }
    if (value_bytes(header) > kMaxLoginToken) {
      return skip_body(header, error(header, Status::AuthError), limits);
    }
    return std::nullopt;
  }
  if (header.key_bytes > limits.key_bytes()) return skip_body(header, bad_key(header, *opcode), limits);
  if (value_bytes(header) > limits.value_bytes) {
    Broken refused = skip_body(header, error(header, Status::TooLarge), limits);
    refused.bound = Broken::Bound::ValueBytes;
    return refused;
  }
  return std::nullopt;
}

constexpr std::uint32_t kLastExptime = std::numeric_limits<std::int32_t>::max();

// memcached reads an exptime here as unsigned, so that what would be negative in text is a date of 2038 to
// 2106: as good as never, and said as never, so that it can't slip under a limit on times to live.
std::int32_t exptime(std::uint32_t sent) {
  return sent > kLastExptime ? 0 : static_cast<std::int32_t>(sent);
}

// The statistics that a Stat's key names, exactly: memcached compares its beginning only, and resets at
// "resetX".
bool parse_stat(std::string_view key, Request& request) {
  if (key.empty()) return true;
  const std::size_t space = key.find(' ');
  const std::string_view name = key.substr(0, space);
  const auto command = stat_command(name);
  if (!command) return false;
  request.caller.command = *command;
  request.words.push_back(name);
  if (*command != Command::StatsDetail) return space == key.npos;
  if (space == key.npos) return false;
  const std::string_view how = key.substr(space + 1);
  request.words.push_back(how);
  return how == "on" || how == "off" || how == "dump";
}

// Reads the extras, and what they make the request need beyond its command. False if a value can't be.
bool parse_extras(std::string_view extras, Request& request) {
  switch (extras.size()) {
    case 8:  // Set, Add, Replace
      request.flags = read_u32(extras);
      request.exptime = exptime(read_u32(extras.substr(4)));
      return true;
    case 20: {  // Incr, Decr
      request.delta = read_u64(extras);
      request.initial = read_u64(extras.substr(8));
      const std::uint32_t sent = read_u32(extras.substr(16));
      request.exptime = sent == kDontCreate ? -1 : exptime(sent);
      if (sent != kDontCreate) request.needs |= Command::Set;
      return true;
    }
    case 4: {  // Touch, Gat, Flush
      const std::uint32_t sent = read_u32(extras);
      request.exptime = exptime(sent);
      // A flush put off until 2038 or later is not a flush now.
      return request.caller.command != Command::FlushAll || sent <= kLastExptime;
    }
    default:
      return true;
  }
}

void set_needs(Request& request) {
  const Command command = request.caller.command;
  request.needs |= command;
  if (command == Command::Gat) request.needs |= Command::Touch;
  // memcached takes an add with a cas for a cas: it overwrites.
  if (command == Command::Add && request.cas != 0) request.needs |= Command::Cas;
}

}  // namespace

ParseResult parse_binary(std::string_view input, const ParseLimits& limits, Request& request) {
  request.clear();
  request.caller.dialect = Dialect::Binary;
  if (!input.empty() && input.front() != kBinaryMagic) return Broken{1, 0, {}, true};
  if (input.size() < kHeaderBytes) return NeedMore{kHeaderBytes};

  const Header header = read_header(input);
  const OpcodeRow* opcode = find_opcode(header.opcode);
  request.caller.opcode = header.opcode;
  request.caller.opaque = header.opaque;
  if (opcode != nullptr) {
    request.caller.command = opcode->command;
    request.caller.quiet = opcode->quiet();
  }
  if (auto broken = judge(header, opcode, limits)) return *std::move(broken);
  const std::size_t total = kHeaderBytes + header.body_bytes;
  if (input.size() < total) return NeedMore{total};

  const std::string_view extras = input.substr(kHeaderBytes, header.extras_bytes);
  const std::string_view key = input.substr(kHeaderBytes + header.extras_bytes, header.key_bytes);
  request.value = input.substr(total - value_bytes(header), value_bytes(header));
  const Category category = row(opcode->command).category;
  if (category == Category::Write || category == Category::Delete) request.cas = header.cas;

  if (opcode->command == Command::Stats) {
    if (!parse_stat(key, request)) return drop(header, error(header, Status::NotFound));
  } else if (!key.empty()) {
    if (!is_login(*opcode) && !valid_key(key, limits.key_bytes()))
      return drop(header, bad_key(header, *opcode));
    request.keys.push_back(key);
  }
  if (!parse_extras(extras, request)) return drop(header, error(header, Status::InvalidArguments));
  set_needs(request);
  return Parsed{total};
}

}  // namespace mcgate::protocol
