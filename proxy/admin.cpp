#include "proxy/admin.hpp"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <strings.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "proxy/admin_host.hpp"
#include "proxy/admin_routes.hpp"
#include "proxy/crew.hpp"

namespace mcgate::proxy {
namespace {

constexpr std::size_t kHeaderBytes = 8192;
constexpr std::size_t kBodyBytes = 65'536;
constexpr int kSilenceSeconds = 5;                // within a request, or an answer nobody reads
constexpr std::chrono::seconds kLifetime{10};     // of a connection, whatever it does
constexpr std::chrono::milliseconds kSweep{100};  // while there are any

evhttp_cmd_type command(Method method) {
  switch (method) {
    case Method::Get:
      return EVHTTP_REQ_GET;
    case Method::Post:
      return EVHTTP_REQ_POST;
  }
  return EVHTTP_REQ_GET;
}

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 421:
      return "Misdirected Request";
    case 503:
      return "Service Unavailable";
    default:
      return "Answer";
  }
}

// Whether the request may have been sent by a page of somebody else's: a browser reaches no Unix socket.
bool is_misdirected(Crew& crew, evhttp_request* request) {
  const std::optional<conf::Admin>& settings = crew.snapshot().config.admin;
  if (!settings || settings->address.family == conf::Address::Family::Unix) return false;
  // RFC 9112 section 3.2.2: where the target itself names a host, that is the one.
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  const char* host = uri != nullptr ? evhttp_uri_get_host(uri) : nullptr;
  if (host == nullptr) host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
  return host == nullptr || !is_our_host(host, settings->hosts);
}

bool has_several_hosts(const evkeyvalq& headers) {
  int hosts = 0;
  for (const evkeyval* header = headers.tqh_first; header != nullptr; header = header->next.tqe_next)
    hosts += strcasecmp(header->key, "Host") == 0 ? 1 : 0;
  return hosts > 1;
}

AdminAnswer answer_of(Crew& crew, evhttp_request* request) {
  if (has_several_hosts(*evhttp_request_get_input_headers(request)))
    return {.status = 400, .body = "a request has one Host\n"};
  const evhttp_uri* uri = evhttp_request_get_evhttp_uri(request);
  const char* path = uri != nullptr ? evhttp_uri_get_path(uri) : nullptr;
  const char* query = uri != nullptr ? evhttp_uri_get_query(uri) : nullptr;
  const AdminRoute* other_method = nullptr;
  for (const AdminRoute& route : admin_routes()) {
    if (path == nullptr || route.path != path) continue;
    if (command(route.method) != evhttp_request_get_command(request)) {
      other_method = &route;
      continue;
    }
    if (!route.tells_nothing && is_misdirected(crew, request))
      return {.status = 421,
              .body = "the Host of the request must be an IP address, localhost, or one of admin.hosts\n"};
    evbuffer* body = evhttp_request_get_input_buffer(request);
    const std::size_t size = evbuffer_get_length(body);
    const auto* bytes = reinterpret_cast<const char*>(evbuffer_pullup(body, -1));
    if (bytes == nullptr && size != 0) throw std::bad_alloc{};
    return route.answer(crew, {.query = query != nullptr ? query : "",
                               .body = size != 0 ? std::string_view{bytes, size} : std::string_view{}});
  }
  if (other_method == nullptr) return {.status = 404, .body = "nothing is here\n"};
  evhttp_add_header(evhttp_request_get_output_headers(request), "Allow",
                    other_method->method == Method::Get ? "GET" : "POST");
  return {.status = 405, .body = "not by this method\n"};
}

void send(evhttp_request* request, const AdminAnswer& answer) {
  evkeyvalq* headers = evhttp_request_get_output_headers(request);
  evhttp_add_header(headers, "Content-Type", std::string{answer.type}.c_str());
  evhttp_add_header(headers, "Cache-Control", "no-store");
  evhttp_add_header(headers, "Connection", "close");
  evbuffer* body = evhttp_request_get_output_buffer(request);
  if (evbuffer_add(body, answer.body.data(), answer.body.size()) != 0) throw std::bad_alloc{};
  evhttp_send_reply(request, answer.status, std::string{reason(answer.status)}.c_str(), nullptr);
}

// It closes its socket when the last reference to it goes: evhttp would do so while the events of ours are
// still on that number, which may be another socket's by then.
bufferevent* make_bufferevent(event_base* base) {
  bufferevent* made = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
  if (made == nullptr) throw std::bad_alloc{};
  return made;
}

}  // namespace

Admin::Admin(Crew& crew, Fd listening) : crew_{crew}, listening_{std::move(listening)} {
  http_.reset(evhttp_new(crew.base()));
  if (!http_) throw std::bad_alloc{};
  evhttp_set_max_headers_size(http_.get(), kHeaderBytes);
  evhttp_set_max_body_size(http_.get(), kBodyBytes);
  evhttp_set_timeout(http_.get(), kSilenceSeconds);
  // All that libevent knows: what a path does not take is answered by answer_of().
  evhttp_set_allowed_methods(http_.get(), EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                              EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
                                              EVHTTP_REQ_PATCH);
  evhttp_set_gencb(http_.get(), on_request, this);
  evhttp_set_bevcb(http_.get(), on_connection, this);
  listener_ = evconnlistener_new(crew.base(), nullptr, nullptr, LEV_OPT_CLOSE_ON_EXEC, 0, listening_.get());
  if (listener_ == nullptr || evhttp_bind_listener(http_.get(), listener_) == nullptr) throw std::bad_alloc{};
  evconnlistener_set_error_cb(listener_, on_accept_failed);
  sweep_event_ = make_event<&Admin::sweep>(crew.base(), -1, EV_PERSIST, this);
}

Admin::~Admin() {
  http_.reset();
  for (const Connection& connection : connections_) bufferevent_decref(connection.bytes);
}

bufferevent* Admin::on_connection(event_base* base, void* self) noexcept {
  auto& admin = *static_cast<Admin*>(self);
  bufferevent* bytes = make_bufferevent(base);
  bufferevent_incref(bytes);
  if (admin.connections_.empty()) {
    const timeval span = to_timeval(kSweep);
    add_event(admin.sweep_event_, &span);
  }
  admin.connections_.push_back({bytes, Clock::now()});
  if (admin.connections_.size() >= kConnections) admin.pause();
  return bytes;
}

void Admin::pause() {
  if (std::exchange(paused_, true)) return;
  evconnlistener_disable(listener_);
  const timeval span = to_timeval(kSweep);
  add_event(sweep_event_, &span);
}

void Admin::on_accept_failed(evconnlistener*, void* self) noexcept {
  auto& admin = *static_cast<Admin*>(self);
  admin.crew_.log().error("admin_accept_failed", {{"reason", std::strerror(errno)}});
  admin.pause();
}

void Admin::sweep() {
  const Clock::time_point now = Clock::now();
  std::erase_if(connections_, [now](const Connection& connection) {
    bufferevent_event_cb on_event = nullptr;
    bufferevent_getcb(connection.bytes, nullptr, nullptr, &on_event, nullptr);
    if (on_event == nullptr) {  // evhttp has freed it, as far as it can, and said the last word
      bufferevent_decref(connection.bytes);
      return true;
    }
    if (now - connection.accepted > kLifetime) ::shutdown(bufferevent_getfd(connection.bytes), SHUT_RDWR);
    return false;
  });
  if (paused_ && connections_.size() < kConnections) {
    paused_ = false;
    evconnlistener_enable(listener_);
  }
  if (connections_.empty()) event_del(sweep_event_.get());
}

void Admin::on_request(evhttp_request* request, void* self) noexcept {
  send(request, answer_of(static_cast<Admin*>(self)->crew_, request));
}

}  // namespace mcgate::proxy
