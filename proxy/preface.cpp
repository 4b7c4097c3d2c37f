#include "proxy/preface.hpp"

#include <openssl/crypto.h>

#include <algorithm>

#include "protocol/proxy_header.hpp"

namespace mcgate::proxy {
namespace {

using protocol::ProxyHeader;

std::expected<auth::Peer, std::string> client_of(const ProxyHeader& header, const auth::Peer& socket_peer) {
  if (header.client == ProxyHeader::Client::Itself) return socket_peer;
  // Whoever's process the proxy is, its client is another.
  auth::Peer client = socket_peer;
  client.proxied = true;
  client.owner.reset();
  if (header.client == ProxyHeader::Client::Unknown) return client;
  client.unix_socket = false;
  client.port = header.port;
  client.ip.bytes = header.address;
  if (header.client == ProxyHeader::Client::Text) {
    const auto ip = conf::parse_ip(header.text);
    if (!ip) return std::unexpected("a PROXY line whose address is none");
    client.ip = *ip;
  }
  return client;
}

}  // namespace

Preface::~Preface() {
  OPENSSL_cleanse(so_far_.data(), so_far_.size());
}

std::expected<void, std::string> Preface::take(std::string_view& bytes) {
  const std::size_t before = so_far_.size();
  so_far_ += bytes.substr(0, protocol::kMaxProxyHeader - before);
  const auto parsed = protocol::parse_proxy_header(so_far_);
  if (!parsed) return std::unexpected(std::string{parsed.error()});
  const std::optional<ProxyHeader>& header = *parsed;
  // As long as it may become one, it is shorter than the longest: all was taken.
  bytes.remove_prefix(header ? header->size - before : bytes.size());
  if (!header) return {};
  auto client = client_of(*header, socket_peer_);
  if (!client) return std::unexpected(client.error());
  client_ = *client;
  return {};
}

}  // namespace mcgate::proxy
