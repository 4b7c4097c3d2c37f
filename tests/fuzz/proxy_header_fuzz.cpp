// Whatever bytes come where a PROXY header should: every split gives the same result, what was refused stays
// so, and a header is within its bounds and its input.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "protocol/proxy_header.hpp"

namespace {

using namespace mcgate::protocol;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const ProxyHeader& header, std::string_view input) {
  require(header.size >= 15 && header.size <= input.size() && header.size <= kMaxProxyHeader);
  if (header.client != ProxyHeader::Client::Text) return;
  require(header.size <= kMaxProxyLine && !header.text.empty());
  require(header.text.data() > input.data());
  require(header.text.data() + header.text.size() < input.data() + header.size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input{reinterpret_cast<const char*>(data), size};
  const auto whole = parse_proxy_header(input);
  if (whole && *whole) check(**whole, input);
  for (std::size_t part = 0; part < size; ++part) {
    const auto result = parse_proxy_header(input.substr(0, part));
    if (!result) {
      require(!whole);
    } else if (*result) {
      require(whole && *whole && (*whole)->size == (*result)->size && (*whole)->client == (*result)->client);
      require((*result)->size <= part);
    } else {
      require(part < kMaxProxyHeader);
      require(!whole || !*whole || (*whole)->size > part);
    }
  }
  return 0;
}
