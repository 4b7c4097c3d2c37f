// Whatever bytes come as binary requests: every split gives the same result, nothing beyond the bounds is
// asked for, and what would be sent to memcached reads back as what was authorised.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "protocol/command.hpp"
#include "protocol/request.hpp"

namespace {

using namespace mcgate::protocol;

constexpr ParseLimits kLimits{.value_bytes = 512, .swallow_bytes = 2048};
// Header, extras, key and value; a SASL token has a bound of its own.
constexpr std::size_t kMost = 24 + 32 + 250 + 4096;

void require(bool holds) {
  if (!holds) std::abort();
}

bool same(const ParseResult& a, const ParseResult& b) {
  if (a.index() != b.index()) return false;
  if (const auto* parsed = std::get_if<Parsed>(&a)) return parsed->consumed == std::get<Parsed>(b).consumed;
  if (const auto* more = std::get_if<NeedMore>(&a)) return more->total == std::get<NeedMore>(b).total;
  const auto& left = std::get<Broken>(a);
  const auto& right = std::get<Broken>(b);
  return left.consumed == right.consumed && left.swallow == right.swallow && left.reply == right.reply &&
         left.close == right.close;
}

// What comes first of the input, given byte by byte.
ParseResult byte_by_byte(std::string_view input, const ParseResult& whole, Request& request) {
  for (std::size_t size = 0; size < input.size(); ++size) {
    const ParseResult result = parse_binary(input.substr(0, size), kLimits, request);
    const auto* more = std::get_if<NeedMore>(&result);
    if (more == nullptr) return result;
    require(more->total > size && more->total <= kMost);
    if (const auto* parsed = std::get_if<Parsed>(&whole)) require(more->total <= parsed->consumed);
  }
  return parse_binary(input, kLimits, request);
}

void check_canonical(const Request& request) {
  std::string sent;
  compose(request, 7, sent);
  Request read;
  const ParseResult result = parse_binary(sent, kLimits, read);
  require(std::holds_alternative<Parsed>(result) && std::get<Parsed>(result).consumed == sent.size());
  require(read.caller.command == request.caller.command && read.caller.opaque == 7 && !read.caller.quiet);
  require(read.needs == request.needs && read.keys == request.keys && read.value == request.value);
  require(read.flags == request.flags && read.exptime == request.exptime && read.cas == request.cas);
  require(read.delta == request.delta && read.initial == request.initial && read.words == request.words);
  std::string again;
  compose(read, 7, again);
  require(again == sent);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input{reinterpret_cast<const char*>(data), size};
  Request request;
  Request split;
  while (!input.empty()) {
    const ParseResult whole = parse_binary(input, kLimits, request);
    require(same(whole, byte_by_byte(input, whole, split)));
    if (const auto* parsed = std::get_if<Parsed>(&whole)) {
      require(parsed->consumed >= 24 && parsed->consumed <= input.size());
      if (row(request.caller.command).reply != ReplyShape::Local) check_canonical(request);
      input.remove_prefix(parsed->consumed);
    } else if (const auto* broken = std::get_if<Broken>(&whole)) {
      require(broken->consumed > 0 && broken->consumed <= input.size());
      require(broken->swallow <= kLimits.swallow_bytes);
      if (broken->close) return 0;
      input.remove_prefix(broken->consumed);
      input.remove_prefix(std::min(broken->swallow, input.size()));
    } else {
      const std::size_t total = std::get<NeedMore>(whole).total;
      require(total > input.size() && total <= kMost);
      return 0;
    }
  }
  return 0;
}
