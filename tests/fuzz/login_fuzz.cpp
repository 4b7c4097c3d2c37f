// Whatever bytes come before log-in, and as the messages of log-ins: every split gives the same result,
// nothing beyond the bounds is asked for, and no credentials are empty, overlong or other than what was sent.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "protocol/login.hpp"

namespace {

using namespace mcgate::protocol;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const Credentials& credentials) {
  require(!credentials.user.empty() && credentials.user.size() <= kMaxUserName);
  require(!credentials.password.empty());
  require(credentials.user.find('\0') == std::string_view::npos);
  require(credentials.password.find('\0') == std::string_view::npos);
}

void check_messages(std::string_view message) {
  if (const auto token = parse_login_token(message)) {
    check(*token);
    require(token->user.find(' ') == std::string_view::npos);
    require(std::string{token->user} + ' ' + std::string{token->password} == message);
  }
  if (const auto plain = parse_plain(message)) {
    check(*plain);
    const std::string credentials = '\0' + std::string{plain->user} + '\0' + std::string{plain->password};
    require(message == credentials || message == std::string{plain->user} + credentials);
  }
}

bool same(const ParseResult& a, const ParseResult& b) {
  if (a.index() != b.index()) return false;
  if (const auto* parsed = std::get_if<Parsed>(&a)) return parsed->consumed == std::get<Parsed>(b).consumed;
  if (std::holds_alternative<NeedMore>(a)) return true;  // less input may not know yet how much it needs
  const auto& left = std::get<Broken>(a);
  const auto& right = std::get<Broken>(b);
  // What closes may say so before the line is whole.
  return left.reply == right.reply && left.close == right.close &&
         (left.close || left.consumed + left.swallow == right.consumed + right.swallow);
}

ParseResult byte_by_byte(std::string_view input, Request& request) {
  for (std::size_t size = 0; size < input.size(); ++size) {
    const ParseResult result = parse_text_before_login(input.substr(0, size), kLimitsBeforeLogin, request);
    const auto* more = std::get_if<NeedMore>(&result);
    if (more == nullptr) return result;
    require(more->total > size);
    require(more->total <= kLimitsBeforeLogin.line_bytes + kMaxLoginToken + 2);
  }
  return parse_text_before_login(input, kLimitsBeforeLogin, request);
}

void check_session(std::string_view input) {
  Request request;
  Request split;
  while (!input.empty()) {
    const ParseResult whole = parse_text_before_login(input, kLimitsBeforeLogin, request);
    require(same(whole, byte_by_byte(input, split)));
    const Command command = request.caller.command;
    require(command == split.caller.command && request.value == split.value && !request.caller.quiet);
    if (const auto* parsed = std::get_if<Parsed>(&whole)) {
      require(parsed->consumed > 0 && parsed->consumed <= input.size());
      require(command == Command::Set || command == Command::Quit || command == Command::Noop);
      require(request.value.size() <= kMaxLoginToken && request.keys.empty());
      require(command == Command::Set || request.value.empty());
      input.remove_prefix(parsed->consumed);
    } else if (const auto* broken = std::get_if<Broken>(&whole)) {
      require(broken->swallow <= kLimitsBeforeLogin.swallow_bytes);
      if (broken->close) return;
      require(broken->consumed > 0 && broken->consumed <= input.size());
      input.remove_prefix(broken->consumed);
      input.remove_prefix(std::min(broken->swallow, input.size()));
    } else {
      return;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  check_messages(input);
  check_session(input);
  return 0;
}
