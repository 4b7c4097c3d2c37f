#include "auth/deadline_io.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <system_error>

namespace mcgate::auth {
namespace {

thread_local int stop_fd = -1;

std::unexpected<std::string> failure(int error) {
  return std::unexpected{std::generic_category().message(error)};
}

std::unexpected<std::string> too_late() {
  return std::unexpected{std::string{"it has not answered in time"}};
}

// For poll(): 0 if it is over.
int milliseconds_until(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

// Whether the socket, or none (-1), has become ready for `event` by then.
std::expected<bool, std::string> ready_by(Deadline deadline, int fd, short event) {
  while (const int left = milliseconds_until(deadline)) {
    std::array polled{pollfd{.fd = fd, .events = event, .revents = 0},
                      pollfd{.fd = stop_fd, .events = POLLIN, .revents = 0}};
    const int ready = ::poll(polled.data(), polled.size(), left);
    if (ready < 0 && errno != EINTR) return failure(errno);
    if (ready <= 0) continue;
    if (polled[1].revents != 0) return std::unexpected{std::string{"nobody waits for it any more"}};
    return true;
  }
  return false;
}

// After a call that has failed with `error`: until it is worth another try.
std::expected<void, std::string> try_again(int error, int fd, short event, Deadline deadline) {
  if (error == EINTR) return {};
  return error == EAGAIN ? wait_for(fd, event, deadline) : failure(error);
}

}  // namespace

void stop_waiting_when_readable(int fd) {
  stop_fd = fd;
}

std::expected<void, std::string> pause(std::chrono::milliseconds span, Deadline deadline) {
  const auto waited = ready_by(std::min(deadline, std::chrono::steady_clock::now() + span), -1, 0);
  if (!waited) return std::unexpected{waited.error()};
  return std::chrono::steady_clock::now() < deadline ? std::expected<void, std::string>{} : too_late();
}

std::expected<void, std::string> wait_for(int fd, short event, Deadline deadline) {
  const auto ready = ready_by(deadline, fd, event);
  if (!ready) return std::unexpected{ready.error()};
  return *ready ? std::expected<void, std::string>{} : too_late();
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
