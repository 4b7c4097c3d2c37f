#include <algorithm>
#include <array>
#include <utility>

#include "protocol/key.hpp"
#include "protocol/text_line.hpp"

namespace mcgate::protocol {
namespace {

constexpr std::size_t kLengthPlace = 4;  // of a storage line's token that says how long its data is

// set, add, replace, append, prepend: key flags exptime length [noreply]; cas: key flags exptime length
// unique [noreply].
ParseResult parse_storage(TextLine& line) {
  Request& request = line.request;
  const bool is_cas = request.caller.command == Command::Cas;
  const std::size_t arity = is_cas ? 6 : 5;

  if (line.count <= kLengthPlace) return refuse_and_close(line, kError);
  const auto length = parse_number<std::uint64_t>(line.token[kLengthPlace]);
  if (!length) return refuse_and_close(line, kBadFormat);
  for (std::size_t i = arity; i < line.count; ++i) {
    if (may_be_length(line.token[i])) return refuse_and_close(line, kError);
  }
  if (line.more) return refuse_and_close(line, kError);
  if (line.count < arity || line.count > arity + 1) return refuse_with_value(line, *length, kError);
  request.caller.quiet = line.token[line.count - 1] == kNoreply;
  if (line.count > arity && !request.caller.quiet) return refuse_with_value(line, *length, kBadFormat);

  const auto flags = parse_number<std::uint32_t>(line.token[2]);
  const auto exptime = parse_number<std::int32_t>(line.token[3]);
  const auto unique = is_cas ? parse_number<std::uint64_t>(line.token[5]) : std::optional<std::uint64_t>{0};
  if (!valid_key(line.token[1], line.limits.key_bytes()) || !flags || !exptime || !unique) {
    return refuse_with_value(line, *length, kBadFormat);
  }
  request.keys.push_back(line.token[1]);
  request.flags = *flags;
  request.exptime = *exptime;
  request.cas = *unique;
  return take_value(line, *length);
}

// The keys of get, gets, gat and gats.
ParseResult take_keys(TextLine& line, std::string_view rest) {
  Request& request = line.request;
  for (;;) {
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    if (rest.empty()) break;
    const std::string_view key = rest.substr(0, rest.find(' '));
    if (!valid_key(key, line.limits.key_bytes())) return refuse(line, kBadFormat);
    if (request.keys.size() == line.limits.keys) {
      Broken refused = refuse(line, "CLIENT_ERROR too many keys");
      refused.bound = Broken::Bound::Keys;
      return refused;
    }
    request.keys.push_back(key);
    rest.remove_prefix(key.size());
  }
  if (request.keys.empty()) return refuse(line, kError);
  return Parsed{line.bytes};
}

ParseResult parse_get(TextLine& line) {
  return take_keys(line, line.text.substr(line.token[0].size()));
}

// Bytes of the line of gat or gats that goes up, its end included, whatever a bound makes of its exptime:
// that may come to be longer than the client's.
std::size_t longest_gat(const TextLine& line) {
  constexpr std::size_t kExptime = std::string_view{"-2147483648"}.size();
  std::size_t bytes = line.token[0].size() + 1 + kExptime + 2;
  for (const std::string_view key : line.request.keys) bytes += 1 + line.limits.namespace_bytes + key.size();
  return bytes;
}

ParseResult parse_gat(TextLine& line) {
  if (line.count < 3) return refuse(line, kError);
  const auto exptime = parse_number<std::int32_t>(line.token[1]);
  if (!exptime) return refuse(line, kBadExptime);
  line.request.exptime = *exptime;
  line.request.needs |= Command::Touch;
  std::string_view rest = line.text;
  next_token(rest);
  next_token(rest);
  auto result = take_keys(line, rest);
  if (std::holds_alternative<Parsed>(result) && longest_gat(line) > kMaxForwardedLine)
    return refuse(line, kLineTooLong);
  return result;
}

// touch, incr, decr: key number [noreply].
ParseResult parse_key_and_number(TextLine& line) {
  Request& request = line.request;
  if (line.count < 3 || line.count > 4) return refuse(line, kError);
  request.caller.quiet = line.token[line.count - 1] == kNoreply;
  if (!valid_key(line.token[1], line.limits.key_bytes()) || (line.count == 4 && !request.caller.quiet))
    return refuse(line, kBadFormat);
  if (request.caller.command == Command::Touch) {
    const auto exptime = parse_number<std::int32_t>(line.token[2]);
    if (!exptime) return refuse(line, kBadExptime);
    request.exptime = *exptime;
  } else {
    const auto delta = parse_number<std::uint64_t>(line.token[2]);
    if (!delta) return refuse(line, "CLIENT_ERROR invalid numeric delta argument");
    request.delta = *delta;
  }
  request.keys.push_back(line.token[1]);
  return Parsed{line.bytes};
}

// delete: key [0] [noreply]. The 0 was once a time to hold the key.
ParseResult parse_delete(TextLine& line) {
  Request& request = line.request;
  if (line.count < 2 || line.count > 4) return refuse(line, kError);
  request.caller.quiet = line.count > 2 && line.token[line.count - 1] == kNoreply;
  const std::size_t words = line.count - (request.caller.quiet ? 1 : 0);
  if (words > 3 || (words == 3 && line.token[2] != "0")) {
    return refuse(line, "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]");
  }
  if (!valid_key(line.token[1], line.limits.key_bytes())) return refuse(line, kBadFormat);
  request.keys.push_back(line.token[1]);
  return Parsed{line.bytes};
}

// version, quit: whatever follows on the line is ignored, as memcached has it.
ParseResult parse_bare(TextLine& line) {
  return Parsed{line.bytes};
}

constexpr TextRow kGet{"get", Command::Get, parse_get};
constexpr TextRow kGets{"gets", Command::Gets, parse_get};
// The most frequent first. `bget` is memcached's own undocumented alias.
constexpr std::array<TextRow, 17> kClassic{{
    kGet,
    kGets,
    {"set", Command::Set, parse_storage},
    {"add", Command::Add, parse_storage},
    {"cas", Command::Cas, parse_storage},
    {"incr", Command::Incr, parse_key_and_number},
    {"decr", Command::Decr, parse_key_and_number},
    {"delete", Command::Delete, parse_delete},
    {"touch", Command::Touch, parse_key_and_number},
    {"gat", Command::Gat, parse_gat},
    {"gats", Command::Gats, parse_gat},
    {"replace", Command::Replace, parse_storage},
    {"append", Command::Append, parse_storage},
    {"prepend", Command::Prepend, parse_storage},
    {"version", Command::Version, parse_bare},
    {"quit", Command::Quit, parse_bare},
    {"bget", Command::Get, parse_get},
}};

ParseResult parse_as(TextLine& line, const TextRow& found) {
  line.request.caller.command = found.command;
  line.request.needs = found.command;
  return found.parse(line);
}

ParseResult parse_line(TextLine& line) {
  const std::string_view name = line.token[0];
  const TextRow* const meta = line.text.starts_with(' ') ? nullptr : find_meta(name);
  if (meta != nullptr) {
    line.request.caller.dialect = Dialect::Meta;
    return parse_as(line, *meta);
  }
  const auto* const classic = std::ranges::find(kClassic, name, &TextRow::name);
  const std::size_t length_place = name == "ms" ? 2 : kLengthPlace;
  if (line.text.starts_with(' ')) {
    // Versions disagree on whether this is a command; its data must not become one.
    const bool has_value = name == "ms" || (classic != kClassic.end() && classic->parse == parse_storage);
    return has_value ? refuse_storage(line, length_place, kError) : refuse(line, kError);
  }
  if (classic != kClassic.end()) return parse_as(line, *classic);
  if (auto admin = parse_admin(line)) return std::move(*admin);
  // A browser that was sent here by someone else's page must not get to its next lines.
  const std::string_view text = line.text.substr(0, line.text.find_last_not_of(' ') + 1);
  if (text.substr(text.rfind(' ') + 1).starts_with("HTTP/")) {
    return Broken{.consumed = line.bytes, .swallow = 0, .reply = {}, .close = true};
  }
  return refuse(line, kError);
}

}  // namespace

ParseResult parse_text(std::string_view input, const ParseLimits& limits, Request& request,
                       std::size_t searched) {
  request.clear();
  const bool exempt = input.starts_with("get ") || input.starts_with("gets ");
  const std::size_t most = exempt ? limits.get_line_bytes : limits.line_bytes;
  const std::size_t end = input.substr(0, most).find('\n', searched);
  if (end == std::string_view::npos) {
    if (input.size() < most) return NeedMore{input.size() + 1, input.size()};
    return Broken{.consumed = most, .swallow = 0, .reply = std::string{kLineTooLong} + "\r\n", .close = true};
  }
  std::string_view text = input.substr(0, end);
  if (text.ends_with('\r')) text.remove_suffix(1);
  TextLine line{.input = input, .text = text, .bytes = end + 1, .limits = limits, .request = request};
  if (exempt) {  // it may have any number of tokens
    const TextRow& get = text.starts_with("gets ") ? kGets : kGet;
    line.token[0] = get.name;
    return parse_as(line, get);
  }
  split(line);
  return parse_line(line);
}

}  // namespace mcgate::protocol
