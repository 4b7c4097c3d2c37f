#include "protocol/reply.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "protocol/binary.hpp"
#include "protocol/number.hpp"
#include "protocol/reply_line.hpp"
#include "protocol/writer.hpp"

namespace mcgate::protocol {
namespace {

// The longest line, or body of a packet, that a probe is answered with.
constexpr std::size_t kMaxProbeAnswer = 256;
// How much of what a backend said instead is kept.
constexpr std::size_t kMaxFailureText = 100;

ProbeFailed failed(std::string_view said) {
  ProbeFailed failure{std::string{said.substr(0, kMaxFailureText)}};
  std::ranges::replace_if(failure.text, [](char c) { return c < 0x20 || c > 0x7e; }, '.');
  return failure;
}

bool take_dot(std::string_view& rest) {
  if (!rest.starts_with('.')) return false;
  rest.remove_prefix(1);
  return true;
}

// major.minor.patch and, with nothing between, whatever a distribution puts behind it.
ProbeResult probe_answer(std::string_view text, std::size_t consumed) {
  std::string_view rest = text;
  const auto major = take_number<std::uint16_t>(rest);
  const bool first_dot = take_dot(rest);
  const auto minor = take_number<std::uint16_t>(rest);
  const bool second_dot = take_dot(rest);
  const auto patch = take_number<std::uint16_t>(rest);
  if (!major || !first_dot || !minor || !second_dot || !patch || !printable(text)) return failed(text);
  return ProbeAnswer{Version{*major, *minor, *patch}, std::string{text}, consumed};
}

ProbeResult read_text_probe(std::string_view input) {
  const std::size_t feed = input.substr(0, kMaxProbeAnswer).find('\n');
  if (feed == std::string_view::npos) {
    if (input.size() >= kMaxProbeAnswer) return failed(input);
    return ProbeNeedsMore{};
  }
  constexpr std::string_view kStart = "VERSION ";
  const std::string_view line = input.substr(0, feed);
  if (!line.starts_with(kStart) || !line.ends_with('\r')) return failed(line.substr(0, line.find('\r')));
  return probe_answer(line.substr(kStart.size(), line.size() - kStart.size() - 1), feed + 1);
}

ProbeResult read_binary_probe(std::string_view input) {
  // A memcached without a connection to spare says so in text.
  if (!input.empty() && static_cast<std::uint8_t>(input[0]) != kResponseMagic) {
    return failed(input.substr(0, input.find('\r')));
  }
  if (input.size() < kHeaderBytes) return ProbeNeedsMore{};
  const Header header = read_header(input);
  if (header.body_bytes > kMaxProbeAnswer || Opcode{header.opcode} != Opcode::Version || header.opaque != 0 ||
      header.key_bytes != 0 || header.extras_bytes != 0) {
    return failed("not an answer to a binary version request");
  }
  const std::size_t total = kHeaderBytes + header.body_bytes;
  if (input.size() < total) return ProbeNeedsMore{};
  const std::string_view body = input.substr(kHeaderBytes, header.body_bytes);
  if (Status{header.status} != Status::Ok) return failed(body);
  return probe_answer(body, total);
}

}  // namespace

void note_keys(const Request& request, std::string& keys) {
  std::size_t bytes = 0;
  for (const std::string_view key : request.keys) bytes += 1 + request.name_space.size() + key.size();
  keys.clear();
  Writer::append(keys, bytes, [&](Writer& out) {
    bool first = true;
    for (const std::string_view key : request.keys) {
      if (!std::exchange(first, false)) out.put(' ');
      out.put(request.name_space);
      out.put(key);
    }
  });
}

void expect(const Request& request, const Sequence& sequence, const Version& backend, Expected& expected) {
  expected.caller = request.caller;
  expected.sequence = sequence;
  expected.backend = backend;
  const bool by_opaque =
      request.caller.dialect == Dialect::Binary && !answers_with_key(Opcode{request.caller.opcode});
  if (request.caller.dialect == Dialect::Meta) {
    expect_meta(request, expected);
  } else if (by_opaque) {
    expected.keys.clear();
  } else {
    note_keys(request, expected.keys);
  }
  // The names of statistics are not keys.
  expected.namespace_bytes = static_cast<std::uint8_t>(request.keys.empty() ? 0 : request.name_space.size());
  expected.next_key = 0;
  expected.began = false;
  expected.statistics = 0;
  expected.line_goes_on = false;
  expected.window_goes_on = false;
}

ReplyResult read_reply(std::string_view input, Expected& expected, std::string& out) {
  const CommandRow& command = row(expected.caller.command);
  if (command.reply == ReplyShape::Local) return ReplyPoisoned{"a reply to what is answered here"};
  if (expected.caller.dialect == Dialect::Binary) return read_binary_reply(input, expected, out);
  if (command.command == Command::MetaDebug) return read_debug_reply(input, expected, out);
  switch (command.reply) {
    case ReplyShape::Local:
      break;
    case ReplyShape::Line:
      return read_line_reply(input, expected, out);
    case ReplyShape::Values:
      return read_values_reply(input, expected, out);
    case ReplyShape::Meta:
      return read_meta_reply(input, expected, out);
    case ReplyShape::Stats:
      return read_stats_reply(input, expected, out);
    case ReplyShape::Stream:
      return read_stream_reply(input, expected, out);
  }
  return ReplyPoisoned{"a reply of no shape"};
}

std::string_view binary_probe() {
  static constexpr std::array<char, kHeaderBytes> kProbe{static_cast<char>(kRequestMagic),
                                                         static_cast<char>(Opcode::Version)};
  return {kProbe.data(), kProbe.size()};
}

ProbeResult read_probe(Dialect dialect, std::string_view input) {
  return dialect == Dialect::Binary ? read_binary_probe(input) : read_text_probe(input);
}

}  // namespace mcgate::protocol
