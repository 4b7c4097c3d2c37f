#include "protocol/binary.hpp"
#include "protocol/meta_flags.hpp"
#include "protocol/request.hpp"
#include "protocol/writer.hpp"

namespace mcgate::protocol {
namespace {

constexpr std::string_view kEnd = "\r\n";

// Bytes of a line but for its keys, words and flags, at most: a command's name, four numbers, an opaque of
// ours, a value's ends.
constexpr std::size_t kLongestRest = 160;

// Bytes that the request may come to, at most.
std::size_t longest(const Request& request) {
  std::size_t bytes = kLongestRest + request.value.size();
  for (const std::string_view key : request.keys) bytes += 1 + request.name_space.size() + key.size();
  for (const std::string_view word : request.words) bytes += 1 + word.size();
  for (const MetaFlag& flag : request.meta_flags) bytes += 2 + flag.argument.size();
  return bytes;
}

template <std::integral T>
void put_word(T number, Writer& out) {
  out.put(' ');
  out.put_number(number);
}

// A key as memcached has it.
void put_key(const Request& request, std::string_view key, Writer& out) {
  out.put(' ');
  out.put(request.name_space);
  out.put(key);
}

void put_value(const Request& request, Writer& out) {
  out.put(kEnd);
  out.put(request.value);
  out.put(kEnd);
}

void put_meta(const Request& request, const Sequence& sequence, Writer& out) {
  const Command command = request.caller.command;
  out.put(row(command).name);
  put_key(request, request.keys.front(), out);
  if (command == Command::MetaDebug) return out.put(kEnd);
  if (command == Command::MetaSet) put_word(request.value.size(), out);
  for (const MetaFlag& flag : request.meta_flags) {
    if (!flag_row(flag.letter)->forwarded) continue;
    out.put(' ');
    out.put(flag.letter);
    out.put(flag.argument);
  }
  out.put(' ');
  out.put(sequence.flag());
  if (command == Command::MetaSet) return put_value(request, out);
  out.put(kEnd);
}

void put_storage(const Request& request, Writer& out) {
  put_key(request, request.keys.front(), out);
  put_word(request.flags, out);
  put_word(request.exptime, out);
  put_word(request.value.size(), out);
  if (request.caller.command == Command::Cas) put_word(request.cas, out);
  put_value(request, out);
}

// The first token of a command's line: its name, but for the sub-commands, which are among the words.
std::string_view verb(Command command) {
  const std::string_view name = row(command).name;
  return name.substr(0, name.find(' '));
}

void put_text(const Request& request, Writer& out) {
  const Command command = request.caller.command;
  out.put(verb(command));
  if (row(command).has_value) return put_storage(request, out);
  if (command == Command::Gat || command == Command::Gats) put_word(request.exptime, out);
  for (const std::string_view key : request.keys) put_key(request, key, out);
  if (command == Command::Incr || command == Command::Decr) put_word(request.delta, out);
  if (command == Command::Touch) put_word(request.exptime, out);
  for (const std::string_view word : request.words) {
    out.put(' ');
    out.put(word);
  }
  out.put(kEnd);
}

// The flags that came later than a command that takes them.
constexpr FlagSet kLateFlags = [] {
  FlagSet late;
  for (const MetaFlagRow& row : meta_flags::kRows) {
    if (row.mg.since || row.ms.since || row.md.since || row.ma.since) late.add(row.letter);
  }
  return late;
}();

bool flags_supported(const Request& request, const Version& backend) {
  if (!request.meta_letters.intersects(kLateFlags)) return true;
  for (const MetaFlag& flag : request.meta_flags) {
    const FlagOn& here = flag_row(flag.letter)->on(request.caller.command);
    if (here.since && backend < *here.since) return false;
  }
  return true;
}

}  // namespace

void compose(const Request& request, const Sequence& sequence, std::string& out) {
  if (request.caller.dialect == Dialect::Binary) return compose_binary(request, sequence.number(), out);
  Writer::append(out, longest(request), [&](Writer& line) {
    if (request.caller.dialect == Dialect::Text) return put_text(request, line);
    if (request.caller.command == Command::Noop) return line.put("mn\r\n");
    put_meta(request, sequence, line);
  });
}

void compose_onto(const Request& request, std::string& out) {
  out.resize(out.size() - kEnd.size());
  Writer::append(out, longest(request), [&](Writer& line) {
    for (const std::string_view key : request.keys) put_key(request, key, line);
    line.put(kEnd);
  });
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
