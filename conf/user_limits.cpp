#include "conf/user_limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

namespace mcgate::conf {
namespace {

template <typename T>
void read_integer(SectionReader& reader, std::string_view name, std::optional<T>& out) {
  T number{};
  if (!reader.has(name)) return;
  reader.integer(name, number);
  if (number != T{}) out = number;  // none may be 0
}

// `what`_per_second and `what`_burst; without the latter, a second's worth may come at once.
std::optional<Rate> read_rate(SectionReader& reader, std::string_view what, Problems& problems) {
  const std::string rate = fmt::format("{}_per_second", what);
  const std::string burst = fmt::format("{}_burst", what);
  std::optional<std::uint64_t> per_second;
  std::optional<std::uint64_t> at_once;
  read_integer(reader, rate, per_second);
  read_integer(reader, burst, at_once);
  if (!reader.has(rate) && at_once)
    problems.add(reader.place_of(burst), fmt::format("{} needs {} beside it", burst, rate));
  if (!per_second) return std::nullopt;
  return Rate{*per_second, at_once.value_or(*per_second)};
}

// The smaller where both are there, or the one that is.
template <typename T>
void tighten(std::optional<T>& limit, const std::optional<T>& other) {
  if (other && (!limit || *other < *limit)) limit = other;
}

void tighten(std::optional<Rate>& limit, const std::optional<Rate>& other) {
  if (!other) return;
  if (!limit) limit = other;
  *limit = {std::min(limit->per_second, other->per_second), std::min(limit->burst, other->burst)};
}

// Fills in what is not said.
template <typename T>
void complete(std::optional<T>& limit, const std::optional<T>& fallback) {
  if (!limit) limit = fallback;
}

}  // namespace

UserLimits read_user_limits(SectionReader& reader, Problems& problems) {
  UserLimits limits;
  if (reader.has("on_denied_read")) {
    DeniedRead chosen{};
    reader.choice("on_denied_read", chosen, {{"error", DeniedRead::Error}, {"miss", DeniedRead::Miss}});
    limits.on_denied_read = chosen;
  }
  const auto table = reader.table("limits");
  if (!table) return limits;
  SectionReader inner{*table, Section::UserLimits, problems};
  read_integer(inner, "value_bytes", limits.value_bytes);
  read_integer(inner, "keys_per_request", limits.keys_per_request);
  read_integer(inner, "connections", limits.connections);
  read_integer(inner, "ttl_seconds", limits.ttl_seconds);
  if (inner.has("on_long_ttl")) {
    LongTtl chosen{};
    inner.choice("on_long_ttl", chosen, {{"cap", LongTtl::Cap}, {"refuse", LongTtl::Refuse}});
    limits.on_long_ttl = chosen;
  }
  limits.requests = read_rate(inner, "requests", problems);
  limits.bytes = read_rate(inner, "bytes", problems);
  return limits;
}

UserLimits limits_of(const UserLimits& own, std::span<const Role* const> roles) {
  UserLimits of_roles;
  for (const Role* role : roles) {
    const UserLimits& limits = role->limits;
    tighten(of_roles.value_bytes, limits.value_bytes);
    tighten(of_roles.keys_per_request, limits.keys_per_request);
    tighten(of_roles.connections, limits.connections);
    tighten(of_roles.ttl_seconds, limits.ttl_seconds);
    tighten(of_roles.on_long_ttl, limits.on_long_ttl);
    tighten(of_roles.requests, limits.requests);
    tighten(of_roles.bytes, limits.bytes);
    tighten(of_roles.on_denied_read, limits.on_denied_read);
  }
  UserLimits limits = own;
  complete(limits.value_bytes, of_roles.value_bytes);
  complete(limits.keys_per_request, of_roles.keys_per_request);
  complete(limits.connections, of_roles.connections);
  complete(limits.ttl_seconds, of_roles.ttl_seconds);
  complete(limits.on_long_ttl, of_roles.on_long_ttl);
  complete(limits.requests, of_roles.requests);
  complete(limits.bytes, of_roles.bytes);
  complete(limits.on_denied_read, of_roles.on_denied_read);
  return limits;
}

}  // namespace mcgate::conf
