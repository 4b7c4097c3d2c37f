// Blocking talk over a non-blocking socket, until a point in time: for a log-in runner's thread, or a
// command's. The errors say what is wrong with "it", which the caller names.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace mcgate::auth {

using Deadline = std::chrono::steady_clock::time_point;

// From now on whatever this thread waits for here is over, with an error, once `fd` is readable; -1, as at
// first, is nothing. A property of the thread, as what waits knows nothing of who may want to end it.
void stop_waiting_when_readable(int fd);

// For so long, if the deadline is no earlier; the error is that it is over.
std::expected<void, std::string> pause(std::chrono::milliseconds span, Deadline deadline);

// Until the socket is ready for `event`, POLLIN or POLLOUT.
std::expected<void, std::string> wait_for(int fd, short event, Deadline deadline);

std::expected<void, std::string> send_all(int fd, std::string_view bytes, Deadline deadline);

// Some bytes into `out`, and how many; 0 is the connection's end.
std::expected<std::size_t, std::string> receive_some(int fd, std::span<char> out, Deadline deadline);

}  // namespace mcgate::auth
