#include "proxy/transport.hpp"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "proxy/tls.hpp"

namespace mcgate::proxy {

// TLS's view of the socket: reads from incoming_, writes to sealed_ of the transport that took it last. No
// exception may pass through OpenSSL.
struct TransportBio {
  static Transport& of(BIO* bio) { return *static_cast<Transport*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* out, std::size_t size, std::size_t* got) noexcept {
    auto& incoming = of(bio).incoming_;
    BIO_clear_retry_flags(bio);
    if (incoming.empty()) {
      BIO_set_retry_read(bio);
      *got = 0;
      return 0;
    }
    *got = std::min(size, incoming.size());
    std::memcpy(out, incoming.data(), *got);
    incoming.remove_prefix(*got);
    return 1;
  }

  static int write(BIO* bio, const char* bytes, std::size_t size, std::size_t* taken) noexcept {
    try {
      of(bio).sealed_.append({bytes, size});
    } catch (const std::bad_alloc&) {
      of(bio).fail("out of memory");
      return 0;  // and TLS fails with us
    }
    *taken = size;
    return 1;
  }

  static long control(BIO*, int command, long, void*) noexcept { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO_METHOD* make_method() {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mcgate transport");
    if (method == nullptr) throw std::bad_alloc{};
    BIO_meth_set_read_ex(method, read);
    BIO_meth_set_write_ex(method, write);
    BIO_meth_set_ctrl(method, control);
    return method;
  }
};

namespace {

// TLS output that may pile up before the socket must take some.
constexpr std::size_t kSealedBytes = 262'144;
// What one write sends at most, however fast the client takes it: others wait for their turn.
constexpr std::size_t kBytesPerTurn = 4 * kSealedBytes;

// An error left in OpenSSL's queue would be taken for the next call's. There hardly ever is one.
void forget_tls_errors() {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

// OpenSSL holds both sides' ephemeral keys as long as the connection lives: 430 bytes of it, and a private
// key that nothing needs any more. An EVP_PKEY drops what it has when its type is set.
void forget_ephemeral_keys(SSL* ssl) {
  EVP_PKEY* ours = nullptr;
  EVP_PKEY* theirs = nullptr;
  if (SSL_get_tmp_key(ssl, static_cast<void*>(&ours)) != 1) ours = nullptr;
  if (SSL_get_peer_tmp_key(ssl, static_cast<void*>(&theirs)) != 1) theirs = nullptr;
  for (EVP_PKEY* key : {ours, theirs}) {
    if (key != nullptr) EVP_PKEY_set_type(key, EVP_PKEY_get_id(key));
    EVP_PKEY_free(key);
  }
}

}  // namespace

BioPtr Transport::make_bio() {
  static BIO_METHOD* const method = TransportBio::make_method();  // OpenSSL keeps a pointer to it for ever
  BioPtr bio{BIO_new(method)};
  if (!bio) throw std::bad_alloc{};
  BIO_set_init(bio.get(), 1);
  return bio;
}

Transport::Transport(Fd fd, SSL_CTX* context, BIO* bio)
    : fd_{std::move(fd)}, established_{context == nullptr} {
  if (context == nullptr) return;
  ssl_.reset(SSL_new(context));
  if (!ssl_ || BIO_up_ref(bio) != 1) throw std::bad_alloc{};
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
}

Transport::~Transport() = default;

void Transport::expect_preface(const auth::Peer& socket_peer) {
  preface_ = std::make_unique<Preface>(socket_peer);
  established_ = false;
}

std::optional<auth::Peer> Transport::take_client() {
  if (!preface_ || !preface_->client()) return std::nullopt;
  return std::exchange(preface_, nullptr)->client();
}

void Transport::take_bio() {
  BIO_set_data(SSL_get_rbio(ssl_.get()), this);
}

Transport::State Transport::fail(std::string reason) {
  if (error_.empty()) error_ = std::move(reason);
  return State::Failed;
}

Transport::Read Transport::read(std::span<char> raw, std::span<char> plain, std::size_t most) {
  assert(most <= kReadBytes && raw.size() >= most && plain.size() >= kPlainBytes);
  const std::span<char> target = ssl_ ? raw : plain;
  const ssize_t got = ::recv(fd_.get(), target.data(), most, 0);
  if (got < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return {{}, State::Open};
    return {{}, fail(std::strerror(errno))};
  }
  const State state = got == 0 ? State::Ended : State::Open;
  std::string_view bytes{target.data(), static_cast<std::size_t>(got)};
  if (in_preface()) {
    if (const auto taken = preface_->take(bytes); !taken) {
      OPENSSL_cleanse(target.data(), static_cast<std::size_t>(got));  // it may be a log-in without a header
      return {{}, fail(taken.error())};
    }
    if (in_preface()) return {{}, state};
    established_ = ssl_ == nullptr;
  }
  return ssl_ ? read_tls(bytes, plain, state) : Read{bytes, state};
}

Transport::Read Transport::read_tls(std::string_view raw, std::span<char> plain, State state) {
  take_bio();
  incoming_ = raw;
  between_records_ = false;
  std::size_t filled = 0;
  for (;;) {
    forget_tls_errors();
    std::size_t got = 0;
    const int done = established_
                         ? SSL_read_ex(ssl_.get(), plain.data() + filled, plain.size() - filled, &got)
                         : SSL_do_handshake(ssl_.get());
    // seal() stops at kSealedBytes and the record that passed it; the rest is TLS's own answers.
    if (sealed_.size() > 2 * kSealedBytes) {
      state = fail("the client makes TLS answer and does not read");
      break;
    }
    if (done == 1) {
      if (!std::exchange(established_, true)) forget_ephemeral_keys(ssl_.get());
      filled += got;
      // No read-ahead: what is not in incoming_ is at most the rest of this record.
      between_records_ = incoming_.empty() && SSL_has_pending(ssl_.get()) == 0;
      if (between_records_) break;
      if (filled < plain.size()) continue;
      // kPlainBytes rules it out; were it wrong, bytes would be lost in silence.
      state = fail("TLS gave more than was sent");
      break;
    }
    const int why = SSL_get_error(ssl_.get(), done);
    if (why == SSL_ERROR_WANT_READ) break;
    if (why == SSL_ERROR_ZERO_RETURN) {
      state = State::Ended;
    } else {
      state = fail(take_tls_error());
    }
    break;
  }
  incoming_ = {};
  return {{plain.data(), filled}, state};
}

bool Transport::seal(Buffer& out) {
  // Room for all of it at once, with what each record adds: growing bit by bit would copy it over and over.
  constexpr std::size_t kPerRecord = SSL3_RT_MAX_ENCRYPTED_OVERHEAD + SSL3_RT_HEADER_LENGTH;
  const std::size_t plain = std::min(out.size(), kSealedBytes);
  if (plain > 0) sealed_.expect(sealed_.size() + plain + (plain / SSL3_RT_MAX_PLAIN_LENGTH + 1) * kPerRecord);
  take_bio();
  while (!out.empty() && sealed_.size() < kSealedBytes) {
    forget_tls_errors();
    std::size_t taken = 0;
    if (SSL_write_ex(ssl_.get(), out.view().data(), out.size(), &taken) != 1) {
      fail(take_tls_error());
      return false;
    }
    out.consume(taken);
  }
  return true;
}

bool Transport::send(Buffer& out) {
  std::size_t left = kBytesPerTurn;
  while (!out.empty() && left > 0) {
    const ssize_t sent = ::send(fd_.get(), out.view().data(), std::min(out.size(), left), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
      fail(std::strerror(errno));
      return false;
    }
    out.consume(static_cast<std::size_t>(sent));
    left -= static_cast<std::size_t>(sent);
  }
  return true;
}

bool Transport::write(Buffer& out) {
  if (!ssl_) {
    const bool kept = send(out);
    out.release_if_empty(kept_bytes());
    return kept;
  }
  std::size_t rounds = kBytesPerTurn / kSealedBytes;
  do {
    const bool sealed = !established_ || seal(out);
    if (!send(sealed_) || !sealed) return false;  // where TLS failed, its alert still goes out
  } while (established_ && !out.empty() && sealed_.empty() && --rounds > 0);
  sealed_.release_if_empty(kept_bytes());
  out.release_if_empty(kept_bytes());
  return true;
}

void Transport::keep_buffers() {
  keeps_buffers_ = true;
  if (ssl_) SSL_clear_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
}

void Transport::release_buffers() {
  keeps_buffers_ = false;
  if (ssl_) SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS);
  // Versions before 3.0.14 free them under a record whose header has come and whose body has not
  // (CVE-2024-4741).
  if (between_records_) SSL_free_buffers(ssl_.get());
  sealed_.release_if_empty(0);
}

void Transport::end() {
  if (ssl_ && established_ && error_.empty()) {
    forget_tls_errors();
    take_bio();
    SSL_shutdown(ssl_.get());
  }
}

void Transport::half_close() {
  ::shutdown(fd_.get(), SHUT_WR);
}

std::string_view Transport::description() const {
  return ssl_ ? SSL_get_version(ssl_.get()) : "plain";
}

}  // namespace mcgate::proxy
