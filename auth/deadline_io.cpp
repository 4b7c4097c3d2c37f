#include "auth/deadline_io.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <system_error>

namespace mcgate::auth {
namespace {

std::unexpected<std::string> failure(int error) {
  return std::unexpected{std::generic_category().message(error)};
}

// After a call that has failed with `error`: until it is worth another try.
std::expected<void, std::string> try_again(int error, int fd, short event, Deadline deadline) {
  if (error == EINTR) return {};
  return error == EAGAIN ? wait_for(fd, event, deadline) : failure(error);
}

}  // namespace

int milliseconds_until(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

std::expected<void, std::string> wait_for(int fd, short event, Deadline deadline) {
  for (;;) {
    const int left = milliseconds_until(deadline);
    pollfd polled{.fd = fd, .events = event, .revents = 0};
    const int ready = left > 0 ? ::poll(&polled, 1, left) : 0;
    if (ready > 0) return {};
    if (ready == 0) return std::unexpected{std::string{"it has not answered in time"}};
    if (errno != EINTR) return failure(errno);
  }
}

std::expected<void, std::string> send_all(int fd, std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (const auto ready = try_again(errno, fd, POLLOUT, deadline); !ready) {
      return ready;
    }
  }
  return {};
}

std::expected<std::size_t, std::string> receive_some(int fd, std::span<char> out, Deadline deadline) {
  for (;;) {
    const ssize_t got = ::recv(fd, out.data(), out.size(), 0);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (const auto ready = try_again(errno, fd, POLLIN, deadline); !ready)
      return std::unexpected{ready.error()};
  }
}

}  // namespace mcgate::auth
