// Any bytes as a reply to any request: no crash, nothing consumed that is not there, nothing appended that
// was not proven, and the same outcome however the bytes arrive.
//
// Input: a byte that names the request (0-127 a text or meta command, the upper half of them quiet; 128-255 a
// binary opcode), a byte for where the reply is cut, how old the backend is and whether the client has a
// namespace, and the reply.
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <variant>

#include "protocol/binary.hpp"
#include "protocol/reply.hpp"

namespace {

using namespace mcgate::protocol;

void require(bool holds) {
  if (!holds) std::abort();
}

constexpr std::uint32_t kSequence = 7;
constexpr std::string_view kNamespace = "ns:";

bool expected_for(std::uint8_t kind, std::uint8_t how, Expected& expected) {
  const Version backend = (how & 1U) != 0 ? Version{1, 6, 12} : Version{1, 6, 45};
  Request request;
  if ((how & 2U) != 0) request.name_space = kNamespace;
  if (kind >= 128) {
    const OpcodeRow* const row = find_opcode(static_cast<std::uint8_t>(kind - 128));
    if (row == nullptr) return false;
    const auto opcode = static_cast<std::uint8_t>(row->opcode);
    request.caller = {row->command, Dialect::Binary, row->quiet(), opcode, 0xc11e47};
    if (row->key == Part::Required) request.keys = {"a"};
    expect(request, kSequence, backend, expected);
    return true;
  }
  const CommandRow& command = all_commands()[kind % 64U % kCommandCount];
  const bool meta = command.reply == ReplyShape::Meta || command.command == Command::MetaDebug;
  request.caller = {command.command, meta ? Dialect::Meta : Dialect::Text, kind >= 64, 0, 0};
  request.keys = {"a"};
  if (command.keys == KeyCount::Many) request.keys = {"a", "bc", "a"};
  if (meta) {
    for (const char letter : std::string_view{"kOsvtcfhlb"}) {
      request.meta_flags.push_back({letter, letter == 'O' ? "1" : ""});
      request.meta_letters.add(letter);
    }
    request.meta_key_sent = "YQ==";
  }
  expect(request, kSequence, backend, expected);
  return true;
}

struct Outcome {
  std::size_t how = 0;  // the last result's alternative
  std::size_t consumed = 0;
  std::string out;
  bool operator==(const Outcome&) const = default;
};

// Reads as far as `input` goes. True if more of it may be read when it has grown.
bool read_on(std::string_view input, Expected& expected, Outcome& outcome) {
  while (true) {
    const std::string_view here = input.substr(outcome.consumed);
    const std::size_t before = outcome.out.size();
    const ReplyResult result = read_reply(here, expected, outcome.out);
    outcome.how = result.index();
    if (const auto* more = std::get_if<ReplyNeedsMore>(&result)) {
      require(more->total > here.size() && outcome.out.size() == before);
      return true;
    }
    if (std::holds_alternative<ReplyPoisoned>(result)) {
      require(outcome.out.size() == before);
      return false;
    }
    const auto* part = std::get_if<ReplyPart>(&result);
    const std::size_t consumed = part != nullptr ? part->consumed : std::get<ReplyEnd>(result).consumed;
    require(consumed > 0 && consumed <= here.size());
    outcome.consumed += consumed;
    if (part == nullptr) return false;
  }
}

// The keys of what a classic get is answered are the client's, without its namespace.
void check_values(std::string_view told) {
  while (told.starts_with("VALUE ")) {
    const std::string_view line = told.substr(0, told.find("\r\n"));
    const std::string_view key = line.substr(6, line.find(' ', 6) - 6);
    require(key == "a" || key == "bc");
    const std::string_view after_flags = line.substr(line.find(' ', 7 + key.size()) + 1);
    std::size_t bytes = 0;
    require(std::from_chars(after_flags.begin(), after_flags.end(), bytes).ec == std::errc{});
    require(told.size() >= line.size() + 2 + bytes + 2);
    told.remove_prefix(line.size() + 2 + bytes + 2);
  }
}

void read_probes(std::string_view input) {
  for (const Dialect dialect : {Dialect::Text, Dialect::Binary}) {
    const ProbeResult result = read_probe(dialect, input);
    if (const auto* answer = std::get_if<ProbeAnswer>(&result)) require(answer->consumed <= input.size());
    if (const auto* failed = std::get_if<ProbeFailed>(&result)) require(failed->text.size() <= 100);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view input{reinterpret_cast<const char*>(data) + 2, size - 2};
  read_probes(input);
  Expected once;
  if (!expected_for(data[0], data[1], once)) return 0;
  Expected twice = once;

  Outcome whole;
  read_on(input, once, whole);
  Outcome cut;
  const std::size_t split = input.size() * data[1] / 255U;
  if (read_on(input.substr(0, split), twice, cut)) read_on(input, twice, cut);
  require(whole == cut);

  // Classic text is passed on as it is, but for the namespace, or not at all.
  if (once.caller.dialect == Dialect::Text) {
    check_values(whole.out);
    if (once.namespace_bytes == 0) {
      require(whole.out.empty() || whole.out == input.substr(0, whole.consumed));
    } else {
      require(whole.out.size() <= whole.consumed);
    }
  }
  return 0;
}
