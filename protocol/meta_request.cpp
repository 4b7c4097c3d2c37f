#include <algorithm>
#include <span>

#include "protocol/base64.hpp"
#include "protocol/key.hpp"
#include "protocol/meta_flags.hpp"
#include "protocol/text_line.hpp"

namespace mcgate::protocol {
namespace {

constexpr std::size_t kMaxOpaque = 31;  // with its letter, memcached's 32

constexpr std::string_view kInvalidFlag = "CLIENT_ERROR invalid flag";
constexpr std::string_view kDuplicateFlag = "CLIENT_ERROR duplicate flag";
constexpr std::string_view kBadToken = "CLIENT_ERROR bad token in command line format";
constexpr std::string_view kBadKey = "CLIENT_ERROR error decoding key";
constexpr std::string_view kBadModeLength = "CLIENT_ERROR incorrect length for M token";

// What is wrong with a line, as memcached says it; empty if nothing is.
using Problem = std::string_view;

bool printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

// The mode as it goes upstream: MI and MD have the aliases M+ and M-.
std::string_view canonical_mode(Command command, std::string_view mode) {
  if (command == Command::MetaSet) {
    return mode.size() == 1 && std::string_view{"EAPRS"}.contains(mode) ? mode : std::string_view{};
  }
  if (mode == "I" || mode == "+") return "I";
  if (mode == "D" || mode == "-") return "D";
  return {};
}

// Puts the canonical form of a flag's argument in `flag`.
Problem take_argument(Command command, FlagArgument kind, std::string_view text, MetaFlag& flag) {
  std::optional<std::string_view> number;
  switch (kind) {
    case FlagArgument::None:
      return text.empty() ? Problem{} : kBadToken;
    case FlagArgument::Time:
      number = canonical_number<std::int32_t>(text);
      break;
    case FlagArgument::Word32:
      number = canonical_number<std::uint32_t>(text);
      break;
    case FlagArgument::Word64:
      number = canonical_number<std::uint64_t>(text);
      break;
    case FlagArgument::Mode:
      if (text.size() != 1) return kBadModeLength;
      flag.argument = canonical_mode(command, text);
      if (!flag.argument.empty()) return {};
      return command == Command::MetaSet ? "CLIENT_ERROR invalid mode for ms M token"
                                         : "CLIENT_ERROR invalid mode for ma M token";
    case FlagArgument::Opaque:
      if (text.empty() || !printable(text)) return kBadToken;
      if (text.size() > kMaxOpaque) return "CLIENT_ERROR opaque token too long";
      flag.argument = text;
      return {};
  }
  if (!number) return kBadToken;
  flag.argument = *number;
  return {};
}

Problem take_flag(Request& request, std::string_view token) {
  const MetaFlagRow* const row = flag_row(token.front());
  if (row == nullptr) return kInvalidFlag;
  const Command command = request.caller.command;
  const FlagOn& here = row->on(command);
  if (!here.taken) return kInvalidFlag;
  if (request.meta_letters.contains(row->letter)) return kDuplicateFlag;
  MetaFlag flag{.letter = row->letter, .argument = {}};
  if (const Problem problem = take_argument(command, row->argument, token.substr(1), flag);
      !problem.empty()) {
    return problem;
  }
  request.meta_flags.push_back(flag);
  request.meta_letters.add(flag.letter);
  request.needs |= here.needs;
  return {};
}

// What its flag M says; 0 without one.
char mode(const Request& request) {
  if (!request.meta_letters.contains('M')) return '\0';
  return std::ranges::find(request.meta_flags, 'M', &MetaFlag::letter)->argument.front();
}

// The classic command that does what this one does: whoever is denied that is denied this.
Command counterpart(const Request& request) {
  const char letter = mode(request);
  switch (request.caller.command) {
    case Command::MetaGet:
      return Command::Get;
    case Command::MetaDelete:
      return Command::Delete;
    case Command::MetaArithmetic:
      return letter == 'D' ? Command::Decr : Command::Incr;
    default:
      break;
  }
  switch (letter) {
    case 'E':
      return Command::Add;
    case 'A':
      return Command::Append;
    case 'P':
      return Command::Prepend;
    case 'R':
      return Command::Replace;
    default:
      return Command::Set;
  }
}

// The key, plain or base64, is judged as it is stored: both are the same item.
Problem take_key(const TextLine& line, std::string_view sent) {
  Request& request = line.request;
  std::string_view key = sent;
  if (request.meta_letters.contains('b')) {
    if (!decode_base64(sent, request.decoded_key)) return kBadKey;
    key = request.decoded_key;
  }
  if (!valid_key(key, line.limits.key_bytes())) return kBadFormat;
  request.meta_key_sent = sent;
  request.keys.push_back(key);
  return {};
}

// Key and flags; the flags are the tokens from `first_flag` on.
Problem take_key_and_flags(TextLine& line, std::size_t first_flag) {
  Request& request = line.request;
  if (line.more) {
    return request.caller.command == Command::MetaGet ? "CLIENT_ERROR options flags are too long"
                                                      : "CLIENT_ERROR options flags too long";
  }
  for (const std::string_view token : std::span{line.token}.first(line.count).subspan(first_flag)) {
    if (const Problem problem = take_flag(request, token); !problem.empty()) return problem;
  }
  if (const Problem problem = take_key(line, line.token[1]); !problem.empty()) return problem;
  request.caller.quiet = request.meta_letters.contains('q');
  request.needs |= counterpart(request);
  if (request.caller.command == Command::MetaSet && request.meta_letters.contains('C'))
    request.needs |= Command::Cas;
  return {};
}

// md and ma call most of what may be wrong with flags by one name.
Problem as_told(Command command, Problem problem) {
  const bool summed_up = problem == kInvalidFlag || problem == kDuplicateFlag || problem == kBadToken ||
                         problem == kBadModeLength || problem == kBadKey;
  if (command == Command::MetaGet || !summed_up) return problem;
  return "CLIENT_ERROR invalid or duplicate flag";
}

// mg, md, ma: key flag*.
ParseResult parse_plain(TextLine& line) {
  if (line.count < 2) return refuse(line, kError);
  const Problem problem = take_key_and_flags(line, 2);
  if (!problem.empty()) return refuse(line, as_told(line.request.caller.command, problem));
  return Parsed{line.bytes};
}

// ms: key length flag*.
ParseResult parse_set(TextLine& line) {
  constexpr std::size_t kLength = 2;
  if (line.count <= kLength) return refuse_and_close(line, line.count < 2 ? kError : kBadFormat);
  const auto length = parse_number<std::uint64_t>(line.token[kLength]);
  if (!length) return refuse_and_close(line, kBadFormat);
  for (std::size_t i = kLength + 1; i < line.count; ++i) {
    if (may_be_length(line.token[i])) return refuse_and_close(line, kInvalidFlag);
  }
  const Problem problem = take_key_and_flags(line, kLength + 1);
  if (!problem.empty()) return refuse_with_value(line, *length, problem);
  return take_value(line, *length);
}

// me: key. A `b` is refused: versions differ in what they take it for.
ParseResult parse_debug(TextLine& line) {
  if (line.count != 2 || !valid_key(line.token[1], line.limits.key_bytes())) return refuse(line, kBadFormat);
  line.request.keys.push_back(line.token[1]);
  line.request.meta_key_sent = line.token[1];
  return Parsed{line.bytes};
}

ParseResult parse_noop(TextLine& line) {
  if (line.count != 1) return refuse(line, kBadFormat);
  return Parsed{line.bytes};
}

constexpr std::array<TextRow, 6> kMeta{{
    {"mg", Command::MetaGet, parse_plain},
    {"ms", Command::MetaSet, parse_set},
    {"md", Command::MetaDelete, parse_plain},
    {"ma", Command::MetaArithmetic, parse_plain},
    {"mn", Command::Noop, parse_noop},
    {"me", Command::MetaDebug, parse_debug},
}};
constexpr bool told_by_second_letter(const TextRow& row) {
  return row.name.size() == 2 && row.name.front() == 'm';
}
static_assert(std::ranges::all_of(kMeta, told_by_second_letter), "find_meta() looks at no other");

}  // namespace

const TextRow* find_meta(std::string_view name) {
  if (name.size() != 2 || name.front() != 'm') return nullptr;
  const auto* const found =
      std::ranges::find(kMeta, name.back(), [](const TextRow& row) { return row.name.back(); });
  return found == kMeta.end() ? nullptr : found;
}

}  // namespace mcgate::protocol
