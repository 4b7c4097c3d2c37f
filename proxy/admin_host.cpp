#include "proxy/admin_host.hpp"

#include <strings.h>

#include <algorithm>

#include "conf/network.hpp"

namespace mcgate::proxy {
namespace {

bool is_port(std::string_view text) {
  return text.empty() || (text.front() == ':' && text.substr(1).find_first_not_of("0123456789") == text.npos);
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

bool is_our_host(std::string_view host, std::span<const std::string> names) {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == host.npos || !is_port(host.substr(end + 1))) return false;
    const std::string_view address = host.substr(1, end - 1);
    return address.contains(':') && conf::parse_ip(address).has_value();
  }
  const std::string_view name = host.substr(0, host.find(':'));
  if (!is_port(host.substr(name.size()))) return false;
  return conf::parse_ip(name).has_value() || same_name(name, "localhost") ||
         std::ranges::any_of(names, [name](const std::string& each) { return same_name(name, each); });
}

}  // namespace mcgate::proxy
