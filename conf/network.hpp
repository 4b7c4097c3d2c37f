// An IP address and a network in CIDR form, as clients' addresses are judged by.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace mcgate::conf {

// An IPv4 or IPv6 address, IPv4 as ::ffff:a.b.c.d, so that both are judged alike.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};
  bool is_loopback() const;
  bool is_ipv4() const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};
std::expected<IpAddress, std::string> parse_ip(std::string_view text);
std::string format(const IpAddress& address);

struct Network {
  IpAddress base;
  std::uint8_t prefix_bits = 128;  // of the 128; an IPv4 /8 is 104
  bool contains(const IpAddress& address) const;
  friend bool operator==(const Network&, const Network&) = default;
};
// "10.0.0.0/8", "fd00::/8", or a single address. Bits set past the prefix are an error.
std::expected<Network, std::string> parse_network(std::string_view text);

// Whether any contains it; true for an empty list ("anywhere").
bool admits(std::span<const Network> networks, const IpAddress& address);

}  // namespace mcgate::conf
