#include "protocol/login.hpp"

#include <cstdint>
#include <optional>

#include "protocol/number.hpp"
#include "protocol/text_line.hpp"

namespace mcgate::protocol {
namespace {

constexpr std::string_view kBadToken = "bad authentication token format";

bool good(const Credentials& credentials) {
  return !credentials.user.empty() && credentials.user.size() <= kMaxUserName &&
         !credentials.password.empty() && credentials.user.find('\0') == std::string_view::npos &&
         credentials.password.find('\0') == std::string_view::npos;
}

// The length of the token that a line announces if it is a log-in: `set <any> <any> <any> <n>[ ...]`.
std::optional<std::uint64_t> announced_token(std::string_view line) {
  if (next_token(line) != "set") return std::nullopt;
  for (int unread = 0; unread < 3; ++unread) next_token(line);
  return parse_number<std::uint64_t>(next_token(line));
}

// The log-in whose line, with its end, is the first `line` bytes of input.
ParseResult parse_login(std::string_view input, std::size_t line, std::uint64_t length,
                        const ParseLimits& limits, Request& request) {
  if (length > kMaxLoginToken) {
    const bool close = limits.swallow_bytes < 2 || length > limits.swallow_bytes - 2;
    return Broken{line, close ? 0 : static_cast<std::size_t>(length) + 2,
                  "CLIENT_ERROR auth token too long\r\n", close};
  }
  const std::size_t total = line + static_cast<std::size_t>(length) + 2;
  if (input.size() < total) return NeedMore{total};
  // Where the token doesn't end where its length says, what follows may be the rest of a password.
  if (input.substr(total - 2, 2) != "\r\n") {
    return Broken{total, 0, "CLIENT_ERROR bad command line termination\r\n", true};
  }
  request.caller.command = Command::Set;
  request.value = input.substr(line, static_cast<std::size_t>(length));
  return Parsed{total};
}

}  // namespace

std::expected<Credentials, std::string_view> parse_login_token(std::string_view data) {
  const std::size_t space = data.find(' ');
  if (space == data.npos) return std::unexpected{kBadToken};
  const Credentials credentials{.user = data.substr(0, space), .password = data.substr(space + 1)};
  if (!good(credentials)) return std::unexpected{kBadToken};
  return credentials;
}

std::expected<Credentials, std::string_view> parse_plain(std::string_view message) {
  const std::size_t first = message.find('\0');
  const std::size_t second = first == message.npos ? first : message.find('\0', first + 1);
  if (second == message.npos) return std::unexpected{"not three parts"};
  const std::string_view authzid = message.substr(0, first);
  const Credentials credentials{.user = message.substr(first + 1, second - first - 1),
                                .password = message.substr(second + 1)};
  if (!good(credentials)) return std::unexpected{"a bad user or password"};
  if (!authzid.empty() && authzid != credentials.user)
    return std::unexpected{"another authorization identity"};
  return credentials;
}

std::expected<ChannelBindingFlag, std::string_view> parse_channel_binding(std::string_view message) {
  constexpr std::string_view kMalformed = "a malformed message";
  const std::size_t comma = message.find(',');
  const std::size_t second = comma == message.npos ? comma : message.find(',', comma + 1);
  if (second == message.npos || !message.substr(second + 1).starts_with("n="))
    return std::unexpected{kMalformed};
  const std::string_view flag = message.substr(0, comma);
  if (flag == "n") return ChannelBindingFlag{ChannelBindingUse::Unable};
  if (flag == "y") return ChannelBindingFlag{ChannelBindingUse::NotSeen};
  if (flag.starts_with("p=")) return ChannelBindingFlag{ChannelBindingUse::Bound, flag.substr(2)};
  return std::unexpected{kMalformed};
}

ParseResult parse_text_before_login(std::string_view input, const ParseLimits& limits, Request& request) {
  request.clear();
  const std::size_t end = input.substr(0, limits.line_bytes).find('\n');
  if (end != input.npos) {
    std::string_view line = input.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (const auto length = announced_token(line))
      return parse_login(input, end + 1, *length, limits, request);
  }

  ParseResult result = parse_text(input, limits, request);
  const bool quit = request.caller.command == Command::Quit && std::holds_alternative<Parsed>(result);
  request.clear();  // a Noop; nothing of what was asked, noreply included, counts before log-in
  if (quit) request.caller.command = Command::Quit;
  if (auto* broken = std::get_if<Broken>(&result)) broken->reply.clear();
  return result;
}

}  // namespace mcgate::protocol
