// One connection, plain or TLS, never blocking once it is open. Owned by a Client.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "proxy/handles.hpp"
#include "tests/bench/loadgen/options.hpp"

namespace mcgate::bench {

using SslSessionPtr = std::unique_ptr<SSL_SESSION, proxy::FreeWith<SSL_SESSION_free>>;

// The client's side of TLS; null where the options say plain.
std::expected<proxy::SslCtxPtr, std::string> make_tls(const Options& options);

class Stream {
 public:
  enum class Progress { Done, WantRead, WantWrite, Closed };

  // `tls` may be null, and so may `session`, which is resumed if the server agrees.
  static std::expected<Stream, std::string> open(const std::string& address, SSL_CTX* tls,
                                                 SSL_SESSION* session);

  // Reads all that is there, to the end of `in`.
  Progress read(std::string& in);
  // Writes what it can and takes that off the front of `out`. The first call makes the handshake too.
  Progress write(std::string_view& out);

  int fd() const { return fd_.get(); }
  bool is_resumed() const { return ssl_ && SSL_session_reused(ssl_.get()) == 1; }
  std::string tls_name() const;  // version and cipher; empty if plain
  // Says goodbye, and returns the session for the next connection to resume.
  SslSessionPtr finish();

 private:
  Stream(proxy::Fd fd, proxy::SslPtr ssl) : fd_{std::move(fd)}, ssl_{std::move(ssl)} {}
  Progress progress(long result, std::size_t& moved) const;

  proxy::Fd fd_;
  proxy::SslPtr ssl_;
};

}  // namespace mcgate::bench
