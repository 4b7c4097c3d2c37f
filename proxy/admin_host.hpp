// Whether a request was meant for the admin endpoint. A page that a browser has loaded from elsewhere may
// have its own name point here (DNS rebinding), and then reads what it asks for; but its name is what it must
// call us by. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace mcgate::proxy {

// Whether the text of a Host header (RFC 9110 section 7.2) is an IP address, localhost, or one of the names,
// which are compared without case; a port may follow.
bool is_our_host(std::string_view host, std::span<const std::string> names);

}  // namespace mcgate::proxy
