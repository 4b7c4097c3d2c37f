#include "proxy/admin_client.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <system_error>

#include "auth/deadline_io.hpp"
#include "proxy/handles.hpp"
#include "proxy/socket.hpp"

namespace mcgate::proxy {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxHead = 8192;
constexpr std::string_view kHeadEnd = "\r\n\r\n";

std::unexpected<std::string> wrong(std::string what) {
  return std::unexpected{std::move(what)};
}

// To the end of the connection.
std::expected<std::string, std::string> receive_all(int fd, std::size_t most, auth::Deadline deadline) {
  std::string text;
  std::array<char, 65'536> part{};
  while (text.size() <= most) {
    const auto got = auth::receive_some(fd, part, deadline);
    if (!got) return wrong(got.error());
    if (*got == 0) return text;
    text.append(part.data(), *got);
  }
  return wrong(fmt::format("its answer has more than {} bytes", most));
}

std::expected<std::string, std::string> exchange(const conf::Address& address, std::string_view target,
                                                 std::size_t most, auth::Deadline deadline) {
  const auto socket = start_connect(address);
  if (!socket) return wrong(socket.error());
  if (const auto connected = auth::wait_for(socket->get(), POLLOUT, deadline); !connected)
    return wrong(connected.error());
  if (const int error = connect_result(socket->get()); error != 0)
    return wrong(std::generic_category().message(error));
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
  if (const auto sent = auth::send_all(socket->get(), request, deadline); !sent) return wrong(sent.error());
  return receive_all(socket->get(), most + kMaxHead, deadline);
}

// Of a header's line; none if it is another, or no number.
std::optional<std::size_t> content_length(std::string_view line) {
  constexpr std::string_view name = "content-length: ";
  const auto same = [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + ('a' - 'A') : b); };
  const std::string_view begin = line.substr(0, name.size());
  if (!std::ranges::equal(name, begin, same)) return std::nullopt;
  line.remove_prefix(name.size());
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc{} || end != line.data() + line.size()) return std::nullopt;
  return number;
}

}  // namespace

std::expected<AdminReply, std::string> parse_admin_reply(std::string_view text) {
  const std::size_t head_end = text.find(kHeadEnd);
  // "HTTP/1.1 200 OK"
  if (!text.starts_with("HTTP/1.") || head_end == text.npos || head_end > kMaxHead)
    return wrong("what it says is no answer of HTTP/1.1");
  std::string_view head = text.substr(0, head_end);
  AdminReply reply;
  const std::string_view status = head.substr(std::min<std::size_t>(head.find(' '), head.size() - 1) + 1, 3);
  const auto [end, error] = std::from_chars(status.data(), status.data() + status.size(), reply.status);
  if (error != std::errc{} || end != status.data() + status.size() || reply.status < 100)
    return wrong("what it says is no answer of HTTP/1.1");
  std::optional<std::size_t> length;
  while (!head.empty() && !length) {
    const std::size_t line_end = std::min(head.find("\r\n"), head.size());
    length = content_length(head.substr(0, line_end));
    head.remove_prefix(std::min(line_end + 2, head.size()));
  }
  const std::string_view body = text.substr(head_end + kHeadEnd.size());
  if (!length || body.size() != *length) return wrong("its answer was cut off");
  reply.body = body;
  return reply;
}

std::expected<AdminReply, std::string> ask_admin(const conf::Config& config, std::string_view target,
                                                 std::size_t most, milliseconds timeout) {
  if (!config.admin)
    return wrong(fmt::format("{} has no [admin], by which the mcgate that runs could be asked", config.file));
  const conf::Address& address = config.admin->address;
  if (address.family != conf::Address::Family::Unix && address.port == 0)
    return wrong(
        fmt::format("admin.address of {} has port 0, any free one: which it is, its log says", config.file));
  const auto text = exchange(address, target, most, std::chrono::steady_clock::now() + timeout);
  auto reply = text ? parse_admin_reply(*text) : wrong(text.error());
  if (!reply)
    return wrong(
        fmt::format("asking the admin endpoint at {}: {}; does an mcgate run with this configuration?",
                    conf::format(address), reply.error()));
  return reply;
}

std::string refusal(const AdminReply& reply) {
  const std::string line =
      conf::one_line(reply.body.substr(0, std::min<std::size_t>(reply.body.find('\n'), 512)));
  return reply.status == 400 ? line : fmt::format("the admin endpoint refuses: {} ({})", line, reply.status);
}

}  // namespace mcgate::proxy
