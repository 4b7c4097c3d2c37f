// Replies of the meta protocol: each proves itself by the opaque that we sent, and is given back the opaque,
// the key and the flags that the client sent.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "protocol/base64.hpp"
#include "protocol/number.hpp"
#include "protocol/reply_line.hpp"
#include "protocol/writer.hpp"

namespace mcgate::protocol {
namespace {

using enum Command;

// md and ma of versions before this one put a space too many into `NF `.
constexpr protocol::Version kTidyNotFound{1, 6, 13};

struct MetaRow {
  Command command;
  std::string_view codes;   // it may be answered with
  std::string_view silent;  // codes that `q` silences
  FlagSet flags;            // it may return, if asked to
  FlagSet states;           // it may return unasked: won, stale, already won
};

constexpr std::array kRows = std::to_array<MetaRow>({
    {MetaGet, "HD VA EN", "EN", FlagSet{"stcfhl"}, FlagSet{"WXZ"}},
    {MetaSet, "HD NS EX NF", "HD", FlagSet{"cs"}, {}},
    {MetaDelete, "HD NF EX", "HD", {}, {}},
    {MetaArithmetic, "HD VA NF NS EX", "HD VA", FlagSet{"tc"}, {}},
});

// Two letters each, a space between.
constexpr bool well_formed(std::string_view codes) {
  for (std::size_t i = 0; i < codes.size(); ++i) {
    if ((codes[i] == ' ') != (i % 3 == 2)) return false;
  }
  return codes.size() % 3 == 2;
}
constexpr bool codes_well_formed(const MetaRow& row) {
  return well_formed(row.codes) && well_formed(row.silent);
}
static_assert(std::ranges::all_of(kRows, codes_well_formed), "has_code() takes two letters at a time");

const MetaRow* find_row(Command command) {
  for (const MetaRow& row : kRows) {
    if (row.command == command) return &row;
  }
  return nullptr;
}

bool has_code(std::string_view codes, std::string_view code) {
  if (code.size() != 2) return false;
  for (std::size_t at = 0; at < codes.size(); at += 3) {
    if (codes[at] == code[0] && codes[at + 1] == code[1]) return true;
  }
  return false;
}

// The flag with that letter in a list of them, or an empty word.
std::string_view find_flag(std::string_view flags, char letter) {
  while (!flags.empty()) {
    const std::string_view flag = take_word(flags);
    if (flag.starts_with(letter)) return flag;
  }
  return {};
}

bool right_argument(char letter, std::string_view argument) {
  if (letter == 't') return parse_number<std::int64_t>(argument).has_value();
  return parse_number<std::uint64_t>(argument).has_value();
}

// One line of a reply, taken apart.
struct MetaReply {
  std::string_view code;
  bool with_value = false;
  std::string_view size;  // the value's, as it was written
  std::size_t value_bytes = 0;
  std::string_view flags;
  FlagSet letters;  // theirs
};

// Whether each of the reply's flags is one that we asked for, and our opaque among them. Notes their letters.
bool right_flags(const MetaRow& row, MetaReply& reply, const Expected& expected) {
  if (reply.flags == expected.sequence.flag()) return true;  // and nothing else, as most often
  const bool miss = reply.code == "EN";
  const bool hit = reply.with_value || reply.code == "HD";
  const bool lax_spaces = reply.code == "NF" && expected.backend < kTidyNotFound;
  bool proven = miss && expected.backend < kOpaqueOnMiss;
  for (std::string_view rest = reply.flags; !rest.empty();) {
    const std::string_view flag = take_word(rest);
    if (flag.empty() && lax_spaces) continue;
    if (flag.empty() || !FlagSet::is_letter(flag[0]) || reply.letters.contains(flag[0])) return false;
    reply.letters.add(flag[0]);
    const std::string_view argument = flag.substr(1);
    if (flag[0] == 'O') {
      if (flag != expected.sequence.flag()) return false;
      proven = true;
    } else if (row.states.contains(flag[0])) {
      if (!hit || !argument.empty()) return false;
    } else {
      if (miss || !row.flags.contains(flag[0]) || !expected.meta_letters.contains(flag[0])) return false;
      if (!right_argument(flag[0], argument)) return false;
    }
  }
  return proven;
}

std::optional<MetaReply> parse_reply(const MetaRow& row, std::string_view text, const Expected& expected) {
  // A trailing space would be lost with take_word().
  const bool lax_spaces = text.starts_with("NF ") && expected.backend < kTidyNotFound;
  if (text.ends_with(' ') && !lax_spaces) return std::nullopt;
  MetaReply reply;
  reply.code = take_word(text);
  if (!has_code(row.codes, reply.code)) return std::nullopt;
  reply.with_value = reply.code == "VA";
  if (reply.with_value) {
    if (!expected.meta_letters.contains('v')) return std::nullopt;
    reply.size = take_word(text);
    const auto bytes = parse_number<std::uint32_t>(reply.size);
    if (!bytes || *bytes > kMaxReplyValue) return std::nullopt;
    reply.value_bytes = *bytes;
  }
  reply.flags = text;
  if (!right_flags(row, reply, expected)) return std::nullopt;
  return reply;
}

void put_flag(std::string_view flag, Writer& out) {
  out.put(' ');
  out.put(flag);
}

// The reply's line as the client is to see it: its own flags in its own order.
void put_line(const MetaRow& row, const MetaReply& reply, const Expected& expected, Writer& out) {
  out.put(reply.code);
  if (reply.with_value) put_flag(reply.size, out);
  if (expected.meta_returns.empty()) {
    out.put(expected.meta_told);
  } else {
    for (std::string_view rest = std::string_view{expected.meta_told}.substr(1); !rest.empty();) {
      const std::string_view told = take_word(rest);
      if (!expected.meta_returns.contains(told[0])) {
        put_flag(told, out);
      } else if (reply.letters.contains(told[0])) {
        put_flag(find_flag(reply.flags, told[0]), out);
      }
    }
  }
  const bool tells_states = !expected.hides_tokens && reply.letters.intersects(row.states);
  for (std::string_view rest = tells_states ? reply.flags : std::string_view{}; !rest.empty();) {
    const std::string_view flag = take_word(rest);
    if (!flag.empty() && row.states.contains(flag[0])) put_flag(flag, out);
  }
  out.put("\r\n");
}

}  // namespace

void expect_meta(const Request& request, Expected& expected) {
  expected.meta_letters = request.meta_letters;
  expected.meta_returns = {};
  expected.hides_tokens = !request.may_recache;
  expected.keys.clear();
  expected.meta_told.clear();
  const MetaRow* const row = find_row(request.caller.command);
  if (row == nullptr) {  // `me`
    note_keys(request, expected.keys);
    expected.meta_told = request.meta_key_sent;
    return;
  }
  std::size_t most = request.meta_key_sent.size();
  for (const MetaFlag& flag : request.meta_flags) most += 4 + flag.argument.size();
  Writer::append(expected.meta_told, most, [&](Writer& told) {
    for (const MetaFlag& flag : request.meta_flags) {
      if (flag.letter == 'k') {
        told.put(" k");
        told.put(request.meta_key_sent);
        // memcached names the encoding right behind the key, wherever the client's `b` stood.
        if (request.meta_letters.contains('b')) told.put(" b");
      } else if (flag.letter == 'O') {
        told.put(" O");
        told.put(flag.argument);
      } else if (row->flags.contains(flag.letter)) {
        told.put(' ');
        told.put(flag.letter);
        expected.meta_returns.add(flag.letter);
      }
    }
  });
}

ReplyResult read_meta_reply(std::string_view input, const Expected& expected, std::string& out) {
  const auto line = first_line(input, LineEnd::CrLf);
  if (!line) return line.error();
  const MetaRow* const row = find_row(expected.caller.command);
  if (row == nullptr) return ReplyPoisoned{"a reply to what has none"};
  const auto reply = parse_reply(*row, line->text, expected);
  if (!reply) {
    if (!may_fail_with(expected.caller.command, line->text))
      return ReplyPoisoned{"not a meta reply with our opaque"};
    out += line->bytes;
    return ReplyEnd{line->bytes.size()};
  }

  const std::size_t total = line->bytes.size() + (reply->with_value ? reply->value_bytes + 2 : 0);
  if (input.size() < total) return ReplyNeedsMore{total};
  if (!input.substr(0, total).ends_with("\r\n")) return ReplyPoisoned{"value without CRLF"};
  const std::string_view value = input.substr(line->bytes.size(), total - line->bytes.size());
  if (row->command == MetaArithmetic && reply->with_value &&
      !parse_number<std::uint64_t>(value.substr(0, reply->value_bytes))) {
    return ReplyPoisoned{"not a number"};
  }
  if (expected.caller.quiet && has_code(row->silent, reply->code)) return ReplyEnd{total};
  // What the client is told beyond meta_told is in the reply, with a space before each flag.
  Writer::append(out, total + expected.meta_told.size(), [&](Writer& told) {
    put_line(*row, *reply, expected, told);
    told.put(value);
  });
  return ReplyEnd{total};
}

// `me`: EN, or ME <key> and what memcached knows of it. No opaque, but the key.
ReplyResult read_debug_reply(std::string_view input, const Expected& expected, std::string& out) {
  const auto line = first_line(input, LineEnd::CrLf);
  if (!line) return line.error();
  if (line->text == "EN") {
    out += line->bytes;
    return ReplyEnd{line->bytes.size()};
  }
  std::string_view rest = line->text;
  if (take_word(rest) != "ME") return ReplyPoisoned{"neither ME nor EN"};
  const std::string_view key = take_word(rest);
  // Of an item stored under a base64 key, memcached names that.
  std::string encoded;
  encode_base64(expected.keys, encoded);
  if (key != expected.keys && key != encoded) return ReplyPoisoned{"ME of another key"};
  if (rest.empty() || !printable(rest)) return ReplyPoisoned{"ME without details"};
  out.append("ME ").append(expected.meta_told).append(" ").append(rest).append("\r\n");
  return ReplyEnd{line->bytes.size()};
}

}  // namespace mcgate::protocol
