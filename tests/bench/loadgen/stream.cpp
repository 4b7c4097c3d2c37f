#include "tests/bench/loadgen/stream.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace mcgate::bench {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::size_t kChunk = 65'536;  // of one read or write

int connect_unix(std::string_view path) {
  sockaddr_un to{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof to.sun_path) return -1;
  path.copy(to.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return fd;
  ::close(fd);
  return -1;
}

int connect_tcp(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in to{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
  std::uint16_t port = 0;
  if (colon == std::string::npos || ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) != 1)
    return -1;
  std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  to.sin_port = htons(port);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) return fd;
  ::close(fd);
  return -1;
}

std::string tls_error() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  return text.data();
}

}  // namespace

std::expected<proxy::SslCtxPtr, std::string> make_tls(const Options& options) {
  if (!options.tls) return proxy::SslCtxPtr{};
  proxy::SslCtxPtr tls{SSL_CTX_new(TLS_client_method())};
  if (!tls) return std::unexpected(tls_error());
  SSL_CTX_set_mode(tls.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (!options.ca.empty()) {
    if (SSL_CTX_load_verify_file(tls.get(), options.ca.c_str()) != 1) return std::unexpected(tls_error());
    SSL_CTX_set_verify(tls.get(), SSL_VERIFY_PEER, nullptr);
  }
  return tls;
}

std::expected<Stream, std::string> Stream::open(const std::string& address, SSL_CTX* tls,
                                                SSL_SESSION* session) {
  // Connecting may block: to a listener of the same host it takes no time.
  proxy::Fd fd{address.starts_with(kUnix) ? connect_unix(address.substr(kUnix.size()))
                                          : connect_tcp(address)};
  if (!fd) return std::unexpected(fmt::format("cannot connect to {}: {}", address, std::strerror(errno)));
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  if (tls == nullptr) return Stream{std::move(fd), nullptr};
  proxy::SslPtr ssl{SSL_new(tls)};
  if (!ssl || SSL_set_fd(ssl.get(), fd.get()) != 1) return std::unexpected(tls_error());
  if (session != nullptr) SSL_set_session(ssl.get(), session);
  SSL_set_connect_state(ssl.get());
  return Stream{std::move(fd), std::move(ssl)};
}

Stream::Progress Stream::progress(long result, std::size_t& moved) const {
  if (result > 0) {
    moved = static_cast<std::size_t>(result);
    return Progress::Done;
  }
  moved = 0;
  if (!ssl_) return result < 0 && (errno == EAGAIN || errno == EINTR) ? Progress::WantRead : Progress::Closed;
  switch (SSL_get_error(ssl_.get(), static_cast<int>(result))) {
    case SSL_ERROR_WANT_READ:
      return Progress::WantRead;
    case SSL_ERROR_WANT_WRITE:
      return Progress::WantWrite;
    default:  // not an enum of ours
      return Progress::Closed;
  }
}

Stream::Progress Stream::read(std::string& in) {
  std::array<char, kChunk>
      chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by the reads below
  while (true) {
    const long result = ssl_ ? SSL_read(ssl_.get(), chunk.data(), static_cast<int>(chunk.size()))
                             : ::recv(fd(), chunk.data(), chunk.size(), 0);
    std::size_t size = 0;
    if (const Progress made = progress(result, size); made != Progress::Done) return made;
    in.append(chunk.data(), size);
    // A plain socket that gave less than there was room for has no more; TLS knows only when asked.
    if (!ssl_ && size < chunk.size()) return Progress::WantRead;
  }
}

Stream::Progress Stream::write(std::string_view& out) {
  while (!out.empty()) {
    // A kernel that does not preempt itself is at a large send for milliseconds, in which no other client on
    // this CPU runs: not one that is measured either.
    const std::size_t most = std::min(out.size(), kChunk);
    const long result = ssl_ ? SSL_write(ssl_.get(), out.data(), static_cast<int>(most))
                             : ::send(fd(), out.data(), most, MSG_NOSIGNAL);
    std::size_t size = 0;
    Progress made = progress(result, size);
    if (made == Progress::WantRead && !ssl_) made = Progress::WantWrite;
    if (made != Progress::Done) return made;
    out.remove_prefix(size);
  }
  return Progress::Done;
}

std::string Stream::tls_name() const {
  return ssl_ ? fmt::format("{} {}", SSL_get_version(ssl_.get()), SSL_get_cipher_name(ssl_.get())) : "";
}

SslSessionPtr Stream::finish() {
  if (!ssl_) return {};
  // OpenSSL resumes no session whose connection ended without a close notify.
  SSL_shutdown(ssl_.get());
  return SslSessionPtr{SSL_get1_session(ssl_.get())};
}

}  // namespace mcgate::bench
