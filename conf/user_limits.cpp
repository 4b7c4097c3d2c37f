#include "conf/user_limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

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

// All that there are.
constexpr std::tuple kLimits{&UserLimits::value_bytes, &UserLimits::keys_per_request,
                             &UserLimits::connections, &UserLimits::ttl_seconds,
                             &UserLimits::on_long_ttl, &UserLimits::requests,
                             &UserLimits::bytes,       &UserLimits::on_denied_read};

// A limit that is not among them would be nobody's.
constexpr std::size_t count_of_limits(const UserLimits& limits) {
  const auto& [a, b, c, d, e, f, g, h] = limits;  // does not compile for more, or fewer
  return std::tuple_size_v<decltype(std::tie(a, b, c, d, e, f, g, h))>;
}
static_assert(std::tuple_size_v<decltype(kLimits)> == count_of_limits({}));

template <typename Do>
void each_limit(const Do& act) {
  std::apply([&](auto... limit) { (act(limit), ...); }, kLimits);
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
    each_limit([&](auto limit) { tighten(of_roles.*limit, role->limits.*limit); });
  }
  UserLimits limits = own;
  each_limit([&](auto limit) { complete(limits.*limit, of_roles.*limit); });
  return limits;
}

}  // namespace mcgate::conf
