#include "proxy/admin_routes.hpp"

#include <array>

#include "proxy/crew.hpp"
#include "proxy/explain.hpp"
#include "proxy/observed.hpp"

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

AdminAnswer observed(Crew& crew, const AdminRequest&) {
  return {.body = to_json(crew.observed()), .type = "application/json"};
}

// What `mcgate explain` says, by the configuration that is served: the query holds the question, named as
// there.
AdminAnswer explanation(Crew& crew, const AdminRequest& request) {
  const auto question = parse_question(request.query);
  if (!question) return {.status = 400, .body = question.error() + "\n"};
  const Snapshot& snapshot = crew.snapshot();
  const auto explained = explain(snapshot.config, *snapshot.directory, *question);
  if (!explained) return {.status = 400, .body = explained.error() + "\n"};
  return {.body = to_json(*explained), .type = "application/json"};
}

constexpr auto kRoutes = std::to_array<AdminRoute>({
    {Method::Get, "/metrics", metrics},
    {Method::Get, "/healthz", health, true},
    {Method::Get, "/readyz", readiness, true},
    {Method::Get, "/users", users},
    {Method::Get, "/observed", observed},
    {Method::Get, "/explain", explanation},
});

}  // namespace

std::span<const AdminRoute> admin_routes() {
  return kRoutes;
}

}  // namespace mcgate::proxy
