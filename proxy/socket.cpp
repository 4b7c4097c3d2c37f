#include "proxy/socket.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace mcgate::proxy {
namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

template <typename T>
T& as(sockaddr_storage& storage) {
  return reinterpret_cast<T&>(storage);
}

std::expected<SocketAddress, std::string> to_sockaddr(const conf::Address& address) {
  SocketAddress result;
  switch (address.family) {
    case conf::Address::Family::Ipv4: {
      auto& in = as<sockaddr_in>(result.storage);
      in.sin_family = AF_INET;
      in.sin_port = htons(address.port);
      if (inet_pton(AF_INET, address.host.c_str(), &in.sin_addr) != 1)
        return std::unexpected(fmt::format("{} is not an IPv4 address", address.host));
      result.length = sizeof in;
      break;
    }
    case conf::Address::Family::Ipv6: {
      auto& in = as<sockaddr_in6>(result.storage);
      in.sin6_family = AF_INET6;
      in.sin6_port = htons(address.port);
      if (inet_pton(AF_INET6, address.host.c_str(), &in.sin6_addr) != 1)
        return std::unexpected(fmt::format("{} is not an IPv6 address", address.host));
      result.length = sizeof in;
      break;
    }
    case conf::Address::Family::Unix: {
      auto& un = as<sockaddr_un>(result.storage);
      un.sun_family = AF_UNIX;
      if (address.host.size() >= sizeof un.sun_path)
        return std::unexpected(
            fmt::format("the socket path {} is longer than {} bytes", address.host, sizeof un.sun_path - 1));
      std::memcpy(un.sun_path, address.host.data(), address.host.size());
      result.length = sizeof un;
      break;
    }
  }
  return result;
}

std::string failure(const conf::Address& address, std::string_view what, int error) {
  std::string advice;
  if (error == EADDRINUSE) advice = "; something already listens there";
  if (error == EACCES) advice = "; ports below 1024 and foreign folders need rights";
  if (error == EADDRNOTAVAIL) advice = "; this machine has no such address";
  return fmt::format("cannot {} {}: {}{}", what, conf::format(address), std::strerror(error), advice);
}

void set_flag(int fd, int level, int option) {
  const int on = 1;
  ::setsockopt(fd, level, option, &on, sizeof on);
}

Fd open_socket(sa_family_t family) {
  return Fd{::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
}

enum class Sharing : std::uint8_t { Alone, WithOtherWorkers };

std::expected<Fd, std::string> bind_and_listen(conf::Address address, std::uint16_t port, Sharing sharing) {
  address.port = port;
  const auto target = to_sockaddr(address);
  if (!target) return std::unexpected(target.error());
  Fd fd = open_socket(target->storage.ss_family);
  if (!fd) return std::unexpected(failure(address, "open a socket for", errno));
  if (address.family != conf::Address::Family::Unix) {
    set_flag(fd.get(), SOL_SOCKET, SO_REUSEADDR);
    if (sharing == Sharing::WithOtherWorkers) set_flag(fd.get(), SOL_SOCKET, SO_REUSEPORT);
    if (address.family == conf::Address::Family::Ipv6) set_flag(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY);
  }
  if (::bind(fd.get(), target->get(), target->length) != 0 || ::listen(fd.get(), 1024) != 0)
    return std::unexpected(failure(address, "listen on", errno));
  return fd;
}

// Whether somebody answers on a Unix socket's path.
bool answers(const SocketAddress& target) {
  const Fd fd = open_socket(AF_UNIX);
  return fd && (::connect(fd.get(), target.get(), target.length) == 0 || errno == EAGAIN);
}

std::expected<Fd, std::string> listen_on_unix(const conf::Address& address, std::uint32_t mode) {
  const auto target = to_sockaddr(address);
  if (!target) return std::unexpected(target.error());
  const std::string& path = address.host;
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0) {
    if (!S_ISSOCK(status.st_mode))
      return std::unexpected(
          fmt::format("cannot listen on unix:{}: a file that is no socket is there", path));
    if (answers(*target)) return std::unexpected(failure(address, "listen on", EADDRINUSE));
    ::unlink(path.c_str());
  }
  // Nobody may connect before the mode is set, so the socket is made with no rights at all.
  const mode_t before = ::umask(0777);
  auto fd = bind_and_listen(address, 0, Sharing::Alone);
  ::umask(before);
  if (fd && ::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0)
    return std::unexpected(failure(address, "set the mode of", errno));
  return fd;
}

}  // namespace

std::expected<Fd, std::string> listen_on(const conf::Address& address, std::uint32_t mode) {
  if (address.family == conf::Address::Family::Unix) return listen_on_unix(address, mode);
  std::uint16_t port = address.port;
  {
    const auto probe = bind_and_listen(address, port, Sharing::Alone);
    if (!probe) return std::unexpected(probe.error());
    port = bound_port(probe->get());
  }
  return bind_and_listen(address, port, Sharing::WithOtherWorkers);
}

std::expected<Fd, std::string> listen_again(const conf::Address& address, std::uint16_t port) {
  return bind_and_listen(address, port, Sharing::WithOtherWorkers);
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return 0;
  if (storage.ss_family == AF_INET) return ntohs(as<sockaddr_in>(storage).sin_port);
  if (storage.ss_family == AF_INET6) return ntohs(as<sockaddr_in6>(storage).sin6_port);
  return 0;
}

Accepted accept_one(int listening) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  Accepted result;
  result.fd =
      Fd{::accept4(listening, reinterpret_cast<sockaddr*>(&storage), &length, SOCK_NONBLOCK | SOCK_CLOEXEC)};
  if (!result.fd) return result;
  auto& bytes = result.peer.ip.bytes;
  if (storage.ss_family == AF_INET) {
    const auto& in = as<sockaddr_in>(storage);
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(&bytes[12], &in.sin_addr, 4);
    result.peer.port = ntohs(in.sin_port);
    set_flag(result.fd.get(), IPPROTO_TCP, TCP_NODELAY);
  } else if (storage.ss_family == AF_INET6) {
    const auto& in = as<sockaddr_in6>(storage);
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    result.peer.port = ntohs(in.sin6_port);
    set_flag(result.fd.get(), IPPROTO_TCP, TCP_NODELAY);
  } else {
    result.peer.unix_socket = true;
    ucred owner{};
    socklen_t size = sizeof owner;
    if (::getsockopt(result.fd.get(), SOL_SOCKET, SO_PEERCRED, &owner, &size) == 0)
      result.peer.owner = auth::UnixOwner{.uid = owner.uid, .gid = owner.gid};
  }
  return result;
}

Fd open_reserve() {
  return Fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
}

std::expected<Fd, std::string> start_connect(const conf::Address& address) {
  const auto target = to_sockaddr(address);
  if (!target) return std::unexpected(target.error());
  Fd fd = open_socket(target->storage.ss_family);
  if (!fd) return std::unexpected(failure(address, "open a socket for", errno));
  if (address.family != conf::Address::Family::Unix) set_flag(fd.get(), IPPROTO_TCP, TCP_NODELAY);
  if (::connect(fd.get(), target->get(), target->length) != 0 && errno != EINPROGRESS)
    return std::unexpected(failure(address, "connect to", errno));
  return fd;
}

int connect_result(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

}  // namespace mcgate::proxy
