// The header of the PROXY protocol, versions 1 and 2 (haproxy's doc/proxy-protocol.txt, 2.1 and 2.2), by
// which a proxy says, before all else, whom it speaks for. Pure; whether that proxy is to be believed is the
// caller's affair.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

namespace mcgate::protocol {

struct ProxyHeader {
  // Whom the connection is for.
  enum class Client : std::uint8_t {
    Itself,   // the proxy's own, as for its health checks (LOCAL)
    Unknown,  // a client whose address cannot be said (UNKNOWN, UNSPEC, a Unix socket)
    Text,     // a TCP client at `text` and `port` (version 1)
    Bytes,    // a TCP client at `address` and `port` (version 2)
  };
  Client client = Client::Unknown;
  std::string_view text =
      {};                // an IPv4 or IPv6 address, by its characters; not yet known to be one. Of the input
  bool is_ipv6 = false;  // as which it was announced
  std::array<std::uint8_t, 16> address{};  // IPv4 as ::ffff:a.b.c.d
  std::uint16_t port = 0;
  std::size_t size = 0;  // the header's, in bytes; what follows is the client's
};

// The longest header that is read, in bytes. A line of version 1 has 107 at most; version 2 may carry more
// than we want to know, which is skipped.
inline constexpr std::size_t kMaxProxyLine = 107;
inline constexpr std::size_t kMaxProxyHeader = 4096;

// The header that `input` begins with; none as long as it may become one. The error says why it is none: that
// is known at the first byte that does not fit.
std::expected<std::optional<ProxyHeader>, std::string_view> parse_proxy_header(std::string_view input);

}  // namespace mcgate::protocol
