// A client's bytes, plain or under TLS: hides which from everything above. Owned by a session, used on its
// worker's thread, never blocks.
//
// TLS reads from the bytes of one recv() at a time and writes into one buffer, which leaves in one send(),
// so a turn costs the same system calls with TLS as without. Whatever a recv() brought is decrypted at once
// and whole: nothing pends inside TLS, and nothing is left in a shared buffer for another session.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "proxy/buffer.hpp"
#include "proxy/handles.hpp"
#include "proxy/preface.hpp"

namespace mcgate::proxy {

class Transport {
 public:
  // The way between TLS and the bytes that a transport reads and sends. It serves whichever transport is at
  // work, so that all of a thread share one: each its own took 208 bytes of every idle connection.
  static BioPtr make_bio();

  // Plain if `context` is null; else TLS, server side, by way of the thread's `bio`. Throws std::bad_alloc.
  Transport(Fd fd, SSL_CTX* context, BIO* bio);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  int fd() const { return fd_.get(); }
  // Null if it is plain. For whoever asks about the client's certificate; bytes go by read() and write().
  SSL* tls() const { return ssl_.get(); }
  // Before the first read: a PROXY header comes first, from `socket_peer`.
  void expect_preface(const auth::Peer& socket_peer);
  // It has not been whole yet.
  bool in_preface() const { return preface_ && !preface_->client(); }
  // Whom it was about; once, as soon as it is known.
  std::optional<auth::Peer> take_client();
  // False until the TLS handshake is done, and the header whole.
  bool established() const { return established_; }

  // How much one read may bring, and so how large the two scratch buffers of read() must be: TLS may hold
  // one record from before.
  static constexpr std::size_t kReadBytes = 65'536;
  static constexpr std::size_t kPlainBytes = kReadBytes + std::size_t{2} * SSL3_RT_MAX_PLAIN_LENGTH;

  enum class State {
    Open,
    Ended,   // the client said that it sends no more
    Failed,  // lost, or a TLS error (see error())
  };
  struct Read {
    std::string_view bytes;  // into `plain`; may be empty, and may come with any state
    State state;
  };
  // Reads once from the socket, at most `most` bytes, of which TLS may make one record more. `raw` and
  // `plain` are the worker's scratch, of kReadBytes and kPlainBytes at the least.
  Read read(std::span<char> raw, std::span<char> plain, std::size_t most = kReadBytes);

  // Sends of `out` and of TLS's own output what the socket takes; consumes what it took over. False if the
  // connection is lost.
  bool write(Buffer& out);
  // Bytes taken over from `out` but not yet sent.
  bool pending() const { return !sealed_.empty(); }
  std::size_t pending_bytes() const { return sealed_.size(); }

  // Buffers, TLS's and our own, are given back as soon as they are empty, but between these two.
  void keep_buffers();
  void release_buffers();
  bool keeps_buffers() const { return keeps_buffers_; }
  // What an empty buffer may keep.
  std::size_t kept_bytes() const { return keeps_buffers_ ? Buffer::kUsual : 0; }

  // Says to the client that no more will come, after all that was written (TLS's close_notify; the caller
  // must then write() and half-close).
  void end();
  void half_close();

  // Why it failed; for the log.
  const std::string& error() const { return error_; }
  // "TLSv1.3" or "plain".
  std::string_view description() const;

 private:
  // Before each call into TLS that may read or write.
  void take_bio();
  Read read_tls(std::string_view raw, std::span<char> plain, State state);
  bool seal(Buffer& out);
  bool send(Buffer& out);
  State fail(std::string reason);

  Fd fd_;
  SslPtr ssl_;
  std::unique_ptr<Preface> preface_;
  bool established_ = false;
  bool keeps_buffers_ = false;
  bool between_records_ = false;  // TLS has read all that came, and no part of a record is among it
  std::string_view incoming_;     // what TLS may still read of this turn's recv()
  Buffer sealed_;                 // TLS records to send
  std::string error_;

  friend struct TransportBio;
};

}  // namespace mcgate::proxy
