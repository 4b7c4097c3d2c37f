// C handles, each owned by exactly one object, and the only trampoline from libevent's callbacks to members.
// Everything here belongs to one worker's thread. An exception that comes as far as the trampoline ends the
// process (see fatal.hpp): libevent's frames are no place for it.
#pragma once

#include <event2/event.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <new>
#include <utility>

namespace mcgate::proxy {

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* handle) const {
    Free(handle);
  }
};

using EventBasePtr = std::unique_ptr<event_base, FreeWith<event_base_free>>;
using EventPtr = std::unique_ptr<event, FreeWith<event_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, FreeWith<SSL_free>>;
using BioPtr = std::unique_ptr<BIO, FreeWith<BIO_free>>;

// An open file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_{fd} {}
  Fd(Fd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

inline timeval to_timeval(std::chrono::microseconds span) {
  return {.tv_sec = static_cast<time_t>(span.count() / 1'000'000),
          .tv_usec = static_cast<suseconds_t>(span.count() % 1'000'000)};
}

// An event whose callback is a member function of `owner`, which must outlive it. Throws std::bad_alloc.
template <auto Method, typename Owner>
EventPtr make_event(event_base* base, int fd, short what, Owner* owner) {
  const auto call = [](evutil_socket_t, short, void* self) noexcept {
    (static_cast<Owner*>(self)->*Method)();
  };
  EventPtr made{event_new(base, fd, what, call, owner)};
  if (!made) throw std::bad_alloc{};
  return made;
}

// Waits for it, or for the time to pass. Throws std::bad_alloc: an event that nobody waits for is a session
// or a link that hangs.
inline void add_event(const EventPtr& wanted, const timeval* timeout = nullptr) {
  if (event_add(wanted.get(), timeout) != 0) throw std::bad_alloc{};
}

}  // namespace mcgate::proxy
