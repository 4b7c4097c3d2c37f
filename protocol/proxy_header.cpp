#include "protocol/proxy_header.hpp"

#include <algorithm>

#include "protocol/number.hpp"

namespace mcgate::protocol {
namespace {

using namespace std::string_view_literals;
using Result = std::expected<std::optional<ProxyHeader>, std::string_view>;

constexpr auto kSignature1 = "PROXY "sv;
constexpr auto kSignature2 = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t kFixed2 = 16;  // signature, version and command, family and transport, length

std::uint8_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

std::uint16_t number_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(text, at) << 8U | byte_at(text, at + 1));
}

// --- version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 4711 11211\r\n"

// What comes before the next space, and takes both off.
std::string_view next_word(std::string_view& line) {
  const std::size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == line.npos ? line.size() : space + 1);
  return word;
}

bool may_be_address(std::string_view text, bool is_ipv6) {
  constexpr std::size_t kLongest = 45;  // of IPv6, the last two groups as IPv4
  constexpr auto kIpv4 = "0123456789."sv;
  constexpr auto kIpv6 = "0123456789abcdefABCDEF:."sv;
  const bool has_colon = text.contains(':');
  return !text.empty() && text.size() <= kLongest && has_colon == is_ipv6 &&
         text.find_first_not_of(is_ipv6 ? kIpv6 : kIpv4) == text.npos;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return parse_number<std::uint16_t>(text);
}

Result parse_line(std::string_view line, std::size_t size) {
  ProxyHeader header{.size = size};
  const std::string_view family = next_word(line);
  if (family == "UNKNOWN") return header;  // whatever follows is to be ignored
  const std::string_view source = next_word(line);
  const std::string_view destination = next_word(line);
  const auto port = parse_port(next_word(line));
  const bool rest_fits = parse_port(line).has_value();
  header.is_ipv6 = family == "TCP6";
  if (!header.is_ipv6 && family != "TCP4") return std::unexpected("a PROXY line of an unknown family"sv);
  if (!port || !rest_fits || !may_be_address(source, header.is_ipv6) ||
      !may_be_address(destination, header.is_ipv6))
    return std::unexpected("a PROXY line that cannot be read"sv);
  header.client = ProxyHeader::Client::Text;
  header.text = source;
  header.port = *port;
  return header;
}

Result parse_version_1(std::string_view input) {
  const std::string_view within = input.substr(0, kMaxProxyLine);
  const std::size_t end = within.find("\r\n");
  if (end != within.npos)
    return parse_line(within.substr(kSignature1.size(), end - kSignature1.size()), end + 2);
  if (within.size() == kMaxProxyLine) return std::unexpected("a PROXY line without an end"sv);
  return std::nullopt;
}

// --- version 2: binary

// The client of a header whose command is PROXY.
Result parse_addresses(ProxyHeader header, std::uint8_t family, std::string_view addresses) {
  const auto too_short = std::unexpected("a PROXY header too short for its addresses"sv);
  header.client = ProxyHeader::Client::Bytes;
  switch (family) {
    case 0x11:  // TCP over IPv4: source, destination, their ports
      if (addresses.size() < 12) return too_short;
      header.address[10] = header.address[11] = 0xff;
      for (std::size_t i = 0; i < 4; ++i) header.address[12 + i] = byte_at(addresses, i);
      header.port = number_at(addresses, 8);
      return header;
    case 0x21:  // TCP over IPv6
      if (addresses.size() < 36) return too_short;
      header.is_ipv6 = true;
      for (std::size_t i = 0; i < header.address.size(); ++i) header.address[i] = byte_at(addresses, i);
      header.port = number_at(addresses, 32);
      return header;
    case 0x31:  // a stream over a Unix socket: two paths
      if (addresses.size() < 216) return too_short;
      [[fallthrough]];
    case 0x00:  // unspecified
      header.client = ProxyHeader::Client::Unknown;
      return header;
    default:
      return std::unexpected("a PROXY header of an unknown family or transport"sv);
  }
}

Result parse_version_2(std::string_view input) {
  constexpr std::size_t kCommandAt = 12;
  constexpr std::uint8_t kLocal = 0x20;
  constexpr std::uint8_t kProxy = 0x21;
  if (input.size() <= kCommandAt) return std::nullopt;
  const std::uint8_t command = byte_at(input, kCommandAt);
  if (command != kLocal && command != kProxy)
    return std::unexpected("a PROXY header of an unknown version or command"sv);
  if (input.size() < kFixed2) return std::nullopt;
  const std::size_t size = kFixed2 + number_at(input, kFixed2 - 2);
  if (size > kMaxProxyHeader) return std::unexpected("a PROXY header that is too long"sv);
  if (input.size() < size) return std::nullopt;
  ProxyHeader header{.size = size};
  if (command == kLocal) {
    header.client = ProxyHeader::Client::Itself;
    return header;
  }
  return parse_addresses(header, byte_at(input, kCommandAt + 1), input.substr(kFixed2, size - kFixed2));
}

}  // namespace

Result parse_proxy_header(std::string_view input) {
  for (const std::string_view signature : {kSignature1, kSignature2}) {
    const std::size_t known = std::min(input.size(), signature.size());
    if (input.substr(0, known) != signature.substr(0, known)) continue;
    if (known < signature.size()) return std::nullopt;
    return signature == kSignature1 ? parse_version_1(input) : parse_version_2(input);
  }
  return std::unexpected("no PROXY header"sv);
}

}  // namespace mcgate::protocol
