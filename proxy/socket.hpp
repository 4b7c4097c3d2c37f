// Sockets: listening, connecting, and who is at the other end.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "auth/identity.hpp"
#include "conf/config.hpp"
#include "proxy/handles.hpp"

namespace mcgate::proxy {

// A non-blocking listening socket. TCP sockets are made with SO_REUSEPORT, so that each worker has its own,
// after a try without it: an address that already answers is an error, not a silent second binding. A stale
// Unix socket file is replaced only if nobody answers on it; `mode` is the new one's. The error says what to
// do.
std::expected<Fd, std::string> listen_on(const conf::Address& address, std::uint32_t mode);
// One more socket on the same TCP address; `port` is the first one's.
std::expected<Fd, std::string> listen_again(const conf::Address& address, std::uint16_t port);

// The port that a TCP socket is bound to.
std::uint16_t bound_port(int fd);

// Accepts one connection, non-blocking; an empty Fd if none is waiting or none can be had (errno says).
struct Accepted {
  Fd fd;
  auth::Peer peer;
};
Accepted accept_one(int listening);

// A descriptor of nothing, to be given up when there are no others; empty if there are none already.
Fd open_reserve();

// Starts a non-blocking connection; it is finished when the socket becomes writable (see connect_result).
std::expected<Fd, std::string> start_connect(const conf::Address& address);
// 0, or the errno that a started connection ended with.
int connect_result(int fd);

}  // namespace mcgate::proxy
