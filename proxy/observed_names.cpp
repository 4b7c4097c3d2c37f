#include "proxy/observed_names.hpp"

#include <algorithm>

#include "proxy/audit_event.hpp"

namespace mcgate::proxy {
namespace {

constexpr std::uint8_t kPlaceBits = 64;  // of an IPv6 address

// What a grant could name: it holds no other bytes, and a `*` at its end only.
bool can_be_granted(std::string_view key) {
  return std::ranges::all_of(key, [](char c) { return c > 0x20 && c < 0x7f && c != '*'; });
}

bool is_told_whole(const conf::IpAddress& address) {
  return address.is_ipv4() || address.is_loopback();
}

bool ends_with_separator(std::string_view prefix) {
  return kKeySeparators.find(prefix.back()) != std::string_view::npos;
}

}  // namespace

std::string keys_of(std::string_view key) {
  const std::string_view prefix = key_prefix(key);
  if (prefix.empty() || !can_be_granted(prefix)) return {};
  const bool whole = prefix.size() == key.size() && !ends_with_separator(prefix);
  return std::string{prefix} + (whole ? "" : "*");
}

bool could_be_noted(std::string_view keys) {
  const bool cut = keys.ends_with('*');
  const std::string_view prefix = keys.substr(0, keys.size() - (cut ? 1 : 0));
  if (prefix.empty() || key_prefix(prefix).size() != prefix.size() || !can_be_granted(prefix)) return false;
  const bool ended = ends_with_separator(prefix);
  return cut ? ended || prefix.size() == kKeyPrefix : !ended;
}

std::string address_of(const auth::Peer& peer) {
  if (peer.unix_socket) return "unix";
  if (is_told_whole(peer.ip)) return conf::format(peer.ip);
  conf::IpAddress base = peer.ip;
  std::ranges::fill(base.bytes.begin() + kPlaceBits / 8, base.bytes.end(), std::uint8_t{0});
  return conf::format(base) + "/64";
}

bool could_be_address(std::string_view text) {
  if (text == "unix") return true;
  if (const auto address = conf::parse_ip(text)) return is_told_whole(*address);
  const auto network = conf::parse_network(text);
  return network && network->prefix_bits == kPlaceBits;
}

std::string_view right_of(const protocol::CommandRow& row) {
  return row.category == protocol::Category::Admin ? row.name : protocol::name(row.category);
}

}  // namespace mcgate::proxy
