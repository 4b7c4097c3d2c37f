#include "proxy/observed_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "proxy/observed_names.hpp"

namespace mcgate::proxy {
namespace {

using Json = nlohmann::json;
using protocol::Category;
using protocol::CommandRow;

// How deep it goes: a right's fields. Nothing below is kept, or asked for.
constexpr int kDepth = 5;
constexpr std::size_t kLongestName = 255;  // of a user, as in the configuration

std::unexpected<std::string> wrong(std::string what) {
  return std::unexpected{std::move(what)};
}

// Null if there is none, or of another type.
const Json* member(const Json& object, const char* name, Json::value_t type) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found != object.end() && found->type() == type ? &*found : nullptr;
}

std::optional<std::string> text(const Json& object, const char* name) {
  const Json* found = member(object, name, Json::value_t::string);
  if (found == nullptr) return std::nullopt;
  return found->get<std::string>();
}

std::expected<Observed::Count, std::string> read_count(const Json& object, std::string_view of) {
  const Json* requests = member(object, "requests", Json::value_t::number_unsigned);
  const Json* refused = member(object, "refused", Json::value_t::number_unsigned);
  if (requests == nullptr || refused == nullptr)
    return wrong(fmt::format("{} needs requests and refused, both numbers", of));
  return Observed::Count{requests->get<std::uint64_t>(), refused->get<std::uint64_t>()};
}

// Whether a note could say so: a category or an admin command, and keys if these have any.
bool is_right(std::string_view right, bool has_keys) {
  return std::ranges::any_of(protocol::all_commands(), [&](const CommandRow& row) {
    return row.category != Category::Session && right_of(row) == right &&
           (row.keys != protocol::KeyCount::None) == has_keys;
  });
}

// The name of a right and its keys among a client's.
std::expected<std::string, std::string> read_right(const Json& object) {
  const auto right = text(object, "right");
  const auto keys = text(object, "keys");
  if (!right || !is_right(*right, keys.has_value()) || (!keys && object.contains("keys")))
    return wrong("a right needs a category, or an admin command, as right, and keys if it has any");
  if (!keys) return *right + "\t-";
  if (!could_be_noted(*keys))
    return wrong(
        fmt::format("{:?} is no beginning of a key that could have been noted", keys->substr(0, 64)));
  return *right + "\t" + *keys;
}

std::expected<std::string, std::string> read_name(const Json& object) {
  const auto user = text(object, "user");
  const auto address = text(object, "address");
  if (user.has_value() == address.has_value()) return wrong("a client needs either a user or an address");
  if (user && (user->empty() || user->size() > kLongestName))
    return wrong(fmt::format("a user's name has 1 to {} bytes, not {}", kLongestName, user->size()));
  if (address && !could_be_address(*address))
    return wrong(fmt::format("{:?} is no address of a client", address->substr(0, 64)));
  return user ? "user\t" + *user : "address\t" + *address;
}

std::expected<Observed::Client, std::string> read_client(const Json& object) {
  Observed::Client client;
  const auto all = read_count(object, "a client");
  if (!all) return wrong(all.error());
  client.all = *all;
  const Json* beyond = member(object, "beyond", Json::value_t::object);
  const Json* rights = member(object, "rights", Json::value_t::array);
  if (beyond == nullptr || rights == nullptr)
    return wrong("a client needs beyond, an object, and rights, an array");
  const auto more = read_count(*beyond, "beyond");
  if (!more) return wrong(more.error());
  client.beyond = *more;
  for (const Json& each : *rights) {
    auto name = read_right(each);
    if (!name) return wrong(name.error());
    const auto count = read_count(each, "a right");
    if (!count) return wrong(count.error());
    if (!client.rights.emplace(*std::move(name), *count).second) return wrong("a right is there twice");
  }
  return client;
}

std::expected<Observed::Sketch, std::string> read_sketch(const Json& json) {
  const Json* clients = member(json, "clients", Json::value_t::array);
  const Json* beyond = member(json, "beyond", Json::value_t::object);
  if (clients == nullptr || beyond == nullptr)
    return wrong("it is not what GET /observed answers: that has clients, an array, and beyond, an object");
  Observed::Sketch sketch;
  const auto more = read_count(*beyond, "beyond");
  if (!more) return wrong(more.error());
  sketch.beyond = *more;
  for (std::size_t i = 0; i < clients->size(); ++i) {
    const auto in_client = [&](const std::string& what) {
      return wrong(fmt::format("client {}: {}", i + 1, what));
    };
    auto name = read_name((*clients)[i]);
    if (!name) return in_client(name.error());
    auto client = read_client((*clients)[i]);
    if (!client) return in_client(client.error());
    if (!sketch.clients.emplace(*std::move(name), *std::move(client)).second)
      return in_client("it is there twice");
  }
  return sketch;
}

}  // namespace

std::expected<Observed::Sketch, std::string> observed_from(std::string_view json) {
  try {
    return read_sketch(
        Json::parse(json, [](int depth, Json::parse_event_t, const Json&) { return depth <= kDepth; }));
  } catch (const Json::parse_error& error) {
    // Its own words quote the text.
    return wrong(fmt::format("it is no JSON, from byte {} on", error.byte));
  } catch (const Json::exception&) {
    return wrong("it is no JSON that mcgate writes: a number is out of range");
  }
}

}  // namespace mcgate::proxy
