#include <fmt/format.h>
#include <sys/un.h>

#include <cstddef>

#include "conf/config.hpp"
#include "protocol/number.hpp"

namespace mcgate::conf {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un::sun_path) - 1;

std::expected<Address, std::string> parse_unix(std::string_view path) {
  if (path.empty() || path.front() != '/') {
    return std::unexpected(fmt::format("{:?}: a socket's path must begin with /", path.substr(0, 128)));
  }
  if (path.size() > kMaxSocketPath) {
    return std::unexpected(
        fmt::format("a socket's path has {} bytes at most, not {}", kMaxSocketPath, path.size()));
  }
  if (path.find('\0') != std::string_view::npos) {
    return std::unexpected(std::string{"a socket's path cannot hold a NUL"});
  }
  return Address{Address::Family::Unix, std::string{path}, 0};
}

}  // namespace

bool Address::is_local() const {
  if (family == Family::Unix) return true;
  const auto ip = parse_ip(host);
  return ip && ip->is_loopback();
}

std::expected<Address, std::string> parse_address(std::string_view text) {
  if (text.starts_with(kUnix)) return parse_unix(text.substr(kUnix.size()));

  const auto wrong = [text] {
    return std::unexpected(
        fmt::format("{:?} is not an address: expected \"127.0.0.1:11211\", \"[::1]:11211\" or \"unix:/path\"",
                    text.substr(0, 128)));
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  const auto port = protocol::parse_number<std::uint16_t>(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!port || bracketed != (host.find(':') != std::string_view::npos)) return wrong();
  const auto ip = parse_ip(host);
  if (!ip) return wrong();
  // Written anew, so that equal addresses are equal text.
  const auto family = bracketed ? Address::Family::Ipv6 : Address::Family::Ipv4;
  std::string canonical = format(*ip);
  if (bracketed && canonical.find(':') == std::string::npos) canonical.insert(0, "::ffff:");
  return Address{family, std::move(canonical), *port};
}

std::string format(const Address& address) {
  switch (address.family) {
    case Address::Family::Ipv4:
      return fmt::format("{}:{}", address.host, address.port);
    case Address::Family::Ipv6:
      return fmt::format("[{}]:{}", address.host, address.port);
    case Address::Family::Unix:
      return fmt::format("{}{}", kUnix, address.host);
  }
  return {};
}

}  // namespace mcgate::conf
