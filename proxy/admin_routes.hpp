// What the admin endpoint answers: one row per path. Called on the control thread; an answer never holds a
// secret, nor what users keep in memcached.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace mcgate::proxy {

class Crew;

struct AdminRequest {
  std::string_view query;  // what stands behind the "?", as it was sent
  std::string_view body;
};

struct AdminAnswer {
  int status = 200;
  std::string body;
  std::string_view type = "text/plain; charset=utf-8";
};

enum class Method : std::uint8_t { Get, Post };

struct AdminRoute {
  Method method;
  std::string_view path;
  AdminAnswer (*answer)(Crew& crew, const AdminRequest& request);
  bool tells_nothing = false;  // but whether it lives: whatever host was asked for
};

std::span<const AdminRoute> admin_routes();

}  // namespace mcgate::proxy
