// The PROXY header with which a proxy's connections begin, put together from the pieces that it comes in.
// Owned by a transport until the session has heard who its client is.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "auth/identity.hpp"

namespace mcgate::proxy {

class Preface {
 public:
  // `socket_peer` is who is at the other end of the connection.
  explicit Preface(const auth::Peer& socket_peer) : socket_peer_{socket_peer} {}
  Preface(const Preface&) = delete;
  Preface& operator=(const Preface&) = delete;
  // What came behind the header, or instead of it, may be a log-in.
  ~Preface();

  // Takes the header's bytes off the front of `bytes`; not called again once it is whole. The error says what
  // is wrong with it.
  std::expected<void, std::string> take(std::string_view& bytes);

  // Who the client is; none as long as the header is not whole.
  const std::optional<auth::Peer>& client() const { return client_; }

 private:
  auth::Peer socket_peer_;
  std::string so_far_;
  std::optional<auth::Peer> client_;
};

}  // namespace mcgate::proxy
