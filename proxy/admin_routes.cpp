#include "proxy/admin_routes.hpp"

#include <array>

#include "proxy/crew.hpp"

namespace mcgate::proxy {
namespace {

AdminAnswer metrics(Crew& crew, const AdminRequest&) {
  return {.body = crew.metrics(), .type = "text/plain; version=0.0.4; charset=utf-8"};
}

// It answers, so it lives.
AdminAnswer health(Crew&, const AdminRequest&) {
  return {.body = "ok\n"};
}

AdminAnswer readiness(Crew& crew, const AdminRequest&) {
  return crew.ready() ? AdminAnswer{.body = "ready\n"} : AdminAnswer{.status = 503, .body = "not ready\n"};
}

AdminAnswer users(Crew& crew, const AdminRequest&) {
  return {.body = crew.users(), .type = "application/json"};
}

constexpr auto kRoutes = std::to_array<AdminRoute>({
    {Method::Get, "/metrics", metrics},
    {Method::Get, "/healthz", health},
    {Method::Get, "/readyz", readiness},
    {Method::Get, "/users", users},
});

}  // namespace

std::span<const AdminRoute> admin_routes() {
  return kRoutes;
}

}  // namespace mcgate::proxy
