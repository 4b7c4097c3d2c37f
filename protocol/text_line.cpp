#include "protocol/text_line.hpp"

#include <algorithm>

namespace mcgate::protocol {
namespace {

std::string spoken(const TextLine& line, std::string_view reply) {
  const Caller& caller = line.request.caller;
  if (caller.quiet && caller.dialect == Dialect::Text) return {};
  return std::string{reply} + "\r\n";
}

// The token that is a key in most lines: long enough for a search to pay, as other words are not.
constexpr std::size_t kKeyPlace = 1;

}  // namespace

std::string_view next_token(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const std::string_view token = rest.substr(0, rest.find(' '));
  rest.remove_prefix(token.size());
  return token;
}

void split(TextLine& line) {
  const char* at = line.text.begin();
  const char* const end = line.text.end();
  for (;;) {
    while (at != end && *at == ' ') ++at;
    if (at == end) return;
    if (line.count == line.token.size()) {
      line.more = true;
      return;
    }
    const char* const begin = at;
    if (line.count == kKeyPlace) {
      const std::string_view rest{begin, end};
      at += std::min(rest.find(' '), rest.size());
    } else {
      while (at != end && *at != ' ') ++at;
    }
    line.token[line.count++] = {begin, at};
  }
}

Broken refuse(const TextLine& line, std::string_view reply) {
  return {.consumed = line.bytes, .swallow = 0, .reply = spoken(line, reply), .close = false};
}

Broken refuse_with_value(const TextLine& line, std::uint64_t length, std::string_view reply) {
  const std::size_t most = line.limits.swallow_bytes;
  if (most < 2 || length > most - 2) return refuse_and_close(line, reply);
  return {.consumed = line.bytes,
          .swallow = static_cast<std::size_t>(length) + 2,
          .reply = spoken(line, reply),
          .close = false};
}

Broken refuse_and_close(const TextLine& line, std::string_view reply) {
  return {.consumed = line.bytes, .swallow = 0, .reply = std::string{reply} + "\r\n", .close = true};
}

Broken refuse_storage(const TextLine& line, std::size_t place, std::string_view reply) {
  const auto length = line.count > place ? parse_number<std::uint64_t>(line.token[place]) : std::nullopt;
  return length ? refuse_with_value(line, *length, reply) : refuse_and_close(line, reply);
}

bool may_be_length(std::string_view token) {
  return token.find_first_not_of("+-0123456789") == std::string_view::npos;
}

ParseResult take_value(const TextLine& line, std::uint64_t length) {
  if (length > line.limits.value_bytes) {
    Broken refused = refuse_with_value(line, length, "SERVER_ERROR object too large for cache");
    refused.bound = Broken::Bound::ValueBytes;
    return refused;
  }
  const std::size_t total = line.bytes + static_cast<std::size_t>(length) + 2;
  if (line.input.size() < total) return NeedMore{total};
  if (line.input.substr(total - 2, 2) != "\r\n") {
    return Broken{.consumed = total,
                  .swallow = 0,
                  .reply = spoken(line, "CLIENT_ERROR bad data chunk"),
                  .close = false};
  }
  line.request.value = line.input.substr(line.bytes, static_cast<std::size_t>(length));
  return Parsed{total};
}

}  // namespace mcgate::protocol
