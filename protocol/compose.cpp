#include <array>
#include <charconv>

#include "protocol/binary.hpp"
#include "protocol/meta_flags.hpp"
#include "protocol/request.hpp"

namespace mcgate::protocol {
namespace {

constexpr std::string_view kEnd = "\r\n";

template <std::integral T>
void append_number(T number, std::string& out) {
  std::array<char, 20> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), end);
}

template <std::integral T>
void append_word(T number, std::string& out) {
  out += ' ';
  append_number(number, out);
}

void append_word(std::string_view word, std::string& out) {
  out += ' ';
  out += word;
}

// A key as memcached has it.
void append_key(const Request& request, std::string_view key, std::string& out) {
  out += ' ';
  out += request.name_space;
  out += key;
}

void append_value(const Request& request, std::string& out) {
  // At once: making room for the end later would copy a large value once more.
  out.reserve(out.size() + request.value.size() + 2 * kEnd.size());
  out += kEnd;
  out += request.value;
  out += kEnd;
}

void compose_meta(const Request& request, std::uint32_t sequence, std::string& out) {
  const Command command = request.caller.command;
  out += row(command).name;
  append_key(request, request.keys.front(), out);
  if (command == Command::MetaDebug) {
    out += kEnd;
    return;
  }
  if (command == Command::MetaSet) append_word(request.value.size(), out);
  for (const MetaFlag& flag : request.meta_flags) {
    if (!flag_row(flag.letter)->forwarded) continue;
    out += ' ';
    out += flag.letter;
    out += flag.argument;
  }
  out += " O";
  append_number(sequence, out);
  if (command == Command::MetaSet) {
    append_value(request, out);
  } else {
    out += kEnd;
  }
}

void compose_storage(const Request& request, std::string& out) {
  append_key(request, request.keys.front(), out);
  append_word(request.flags, out);
  append_word(request.exptime, out);
  append_word(request.value.size(), out);
  if (request.caller.command == Command::Cas) append_word(request.cas, out);
  append_value(request, out);
}

// The first token of a command's line: its name, but for the sub-commands, which are among the words.
std::string_view verb(Command command) {
  const std::string_view name = row(command).name;
  return name.substr(0, name.find(' '));
}

void compose_text(const Request& request, std::string& out) {
  const Command command = request.caller.command;
  out += verb(command);
  if (row(command).has_value) return compose_storage(request, out);
  if (command == Command::Gat || command == Command::Gats) append_word(request.exptime, out);
  for (const std::string_view key : request.keys) append_key(request, key, out);
  if (command == Command::Incr || command == Command::Decr) append_word(request.delta, out);
  if (command == Command::Touch) append_word(request.exptime, out);
  for (const std::string_view word : request.words) append_word(word, out);
  out += kEnd;
}

bool flags_supported(const Request& request, const Version& backend) {
  for (const MetaFlag& flag : request.meta_flags) {
    const FlagOn& here = flag_row(flag.letter)->on(request.caller.command);
    if (here.since && backend < *here.since) return false;
  }
  return true;
}

}  // namespace

void compose(const Request& request, std::uint32_t sequence, std::string& out) {
  switch (request.caller.dialect) {
    case Dialect::Text:
      return compose_text(request, out);
    case Dialect::Meta:
      if (request.caller.command == Command::Noop) {
        out += "mn\r\n";
        return;
      }
      return compose_meta(request, sequence, out);
    case Dialect::Binary:
      return compose_binary(request, sequence, out);
  }
}

void compose_onto(const Request& request, std::string& out) {
  out.resize(out.size() - kEnd.size());
  for (const std::string_view key : request.keys) append_key(request, key, out);
  out += kEnd;
}

bool supported(const Request& request, const Version& backend) {
  const CommandRow& known = row(request.caller.command);
  if (known.reply == ReplyShape::Local) return true;
  const bool binary = request.caller.dialect == Dialect::Binary;
  const auto& since = binary ? known.since_binary : known.since_text;
  if (!since || backend < *since) return false;
  return request.caller.dialect != Dialect::Meta || flags_supported(request, backend);
}

}  // namespace mcgate::protocol
