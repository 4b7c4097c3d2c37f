// The admin endpoint: HTTP/1.1 by libevent's evhttp, on the control thread. What it answers stands in
// admin_routes.
//
// It asks nobody who they are, so it listens on loopback or a Unix socket, and answers no browser that
// somebody else's page sent there; and whoever reaches it must not hold up the control thread: connections
// are few and short, requests small, and one connection has one answer.
#pragma once

#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>

#include <chrono>
#include <cstddef>
#include <vector>

#include "proxy/handles.hpp"

namespace mcgate::proxy {

class Crew;

class Admin {
 public:
  // Connections at a time; more wait to be accepted.
  static constexpr std::size_t kConnections = 16;

  // `listening` is a listening socket. Answers while the crew's loop runs.
  Admin(Crew& crew, Fd listening);
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  struct Connection {
    bufferevent* bytes;  // we hold a reference, so that it stays valid when evhttp has let go of it
    Clock::time_point accepted;
  };

  static bufferevent* on_connection(event_base* base, void* self) noexcept;
  static void on_accept_failed(evconnlistener*, void* self) noexcept;
  static void on_request(evhttp_request* request, void* self) noexcept;
  // Forgets the connections that have ended, ends those that take too long, accepts again if there is room.
  void sweep();
  void pause();

  Crew& crew_;
  Fd listening_;
  std::unique_ptr<evhttp, FreeWith<evhttp_free>> http_;
  evconnlistener* listener_ = nullptr;  // http_'s
  EventPtr sweep_event_;
  std::vector<Connection> connections_;
  bool paused_ = false;
};

}  // namespace mcgate::proxy
