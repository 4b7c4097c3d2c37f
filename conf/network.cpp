#include "conf/network.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>

#include "protocol/number.hpp"

namespace mcgate::conf {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// Whether both agree in their first `bits` bits.
bool same_prefix(const IpAddress& a, const IpAddress& b, unsigned bits) {
  const std::size_t whole = bits / 8;
  if (!std::equal(a.bytes.begin(), a.bytes.begin() + static_cast<std::ptrdiff_t>(whole), b.bytes.begin())) {
    return false;
  }
  const unsigned rest = bits % 8;
  if (rest == 0) return true;
  const auto difference = static_cast<unsigned>(a.bytes[whole] ^ b.bytes[whole]);
  return (difference >> (8 - rest)) == 0;
}

bool bits_set_past(const IpAddress& address, unsigned bits) {
  IpAddress base;
  std::copy_n(address.bytes.begin(), bits / 8, base.bytes.begin());
  if (bits % 8 != 0) {
    const unsigned mask = 0xff00U >> (bits % 8);
    base.bytes[bits / 8] = static_cast<std::uint8_t>(address.bytes[bits / 8] & mask);
  }
  return base != address;
}

}  // namespace

bool IpAddress::is_ipv4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin());
}

bool IpAddress::is_loopback() const {
  constexpr IpAddress kSix{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  return *this == kSix || (is_ipv4() && bytes[12] == 127);
}

std::expected<IpAddress, std::string> parse_ip(std::string_view text) {
  // inet_pton wants a C string: a NUL within would end the address early.
  const std::string copy{text};
  IpAddress address;
  if (copy.find('\0') == std::string::npos) {
    if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) == 1) return address;
    std::ranges::copy(kMappedPrefix, address.bytes.begin());
    if (inet_pton(AF_INET, copy.c_str(), &address.bytes[kMappedPrefix.size()]) == 1) return address;
  }
  return std::unexpected(fmt::format("{:?} is not an IPv4 or IPv6 address", text.substr(0, 64)));
}

std::string format(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool four = address.is_ipv4();
  const std::uint8_t* bytes = four ? &address.bytes[kMappedPrefix.size()] : address.bytes.data();
  return inet_ntop(four ? AF_INET : AF_INET6, bytes, text.data(), text.size());
}

bool Network::contains(const IpAddress& address) const {
  return same_prefix(base, address, prefix_bits);
}

std::expected<Network, std::string> parse_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto base = parse_ip(text.substr(0, slash));
  if (!base) return std::unexpected(base.error());
  if (slash == std::string_view::npos) return Network{*base, 128};

  // How it was written, not what it is: ::ffff:10.0.0.0/104 counts all 128 bits.
  const bool four = text.substr(0, slash).find(':') == std::string_view::npos;
  const unsigned most = four ? 32 : 128;
  const auto bits = protocol::parse_number<unsigned>(text.substr(slash + 1));
  if (!bits || *bits > most) {
    return std::unexpected(
        fmt::format("{:?}: the prefix must be a number from 0 to {}", text.substr(0, 64), most));
  }
  const Network network{*base, static_cast<std::uint8_t>(*bits + (128 - most))};
  if (bits_set_past(network.base, network.prefix_bits)) {
    return std::unexpected(fmt::format("{:?} has bits set past its prefix", text.substr(0, 64)));
  }
  return network;
}

bool admits(std::span<const Network> networks, const IpAddress& address) {
  return networks.empty() ||
         std::ranges::any_of(networks, [&](const Network& network) { return network.contains(address); });
}

}  // namespace mcgate::conf
