// The bounds of what is noted where all pass.
#include "proxy/observed.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "proxy/observed_reader.hpp"

namespace mcgate::proxy {
namespace {

// `clients` users ask for `keys` keys each, of the longest prefixes there are.
void fill(Observed& observed, std::string_view who, std::size_t clients, std::size_t keys) {
  protocol::Request request;
  request.caller.command = protocol::Command::Delete;
  request.needs = protocol::Command::Delete;
  for (std::size_t i = 0; i < clients; ++i) {
    std::vector<std::string> names;
    for (std::size_t k = 0; k < keys; ++k) names.push_back(fmt::format("{:04}{}", k, std::string(60, '"')));
    request.keys = {names.begin(), names.end()};
    observed.note(fmt::format("{}-{}", who, i), {}, request, true);
  }
}

TEST_CASE("observed: what all workers saw has the bounds of one") {
  Observed one;
  Observed other;
  fill(one, "one", Observed::kClients + 3, 1);
  fill(other, "two", 10, 1);
  Observed::Sketch sketch;
  one.add_to(sketch);
  other.add_to(sketch);
  CHECK(sketch.clients.size() == Observed::kClients);
  CHECK(sketch.beyond.requests == 3 + 10);
}

TEST_CASE("observed: a sketch that is full is not longer than what is read back") {
  Observed one;
  fill(one, "one", 1, Observed::kRights + 5);
  Observed::Sketch sketch;
  one.add_to(sketch);
  CHECK(sketch.clients.begin()->second.rights.size() == Observed::kRights);
  CHECK(sketch.clients.begin()->second.beyond.requests == 5);
  const std::string json = to_json(sketch);
  CHECK(observed_from(json));
  CHECK(json.size() * Observed::kClients < kMaxObserved * 9 / 10);  // there is room for longer numbers
}

TEST_CASE("observed: a client that several workers saw is one, within its bounds") {
  Observed one;
  Observed other;
  protocol::Request request;
  request.caller.command = protocol::Command::Get;
  request.needs = protocol::Command::Get;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < Observed::kRights; ++i) names.push_back(fmt::format("k{}", i));
  request.keys = {names.begin(), names.end()};
  one.note("u", {}, request, false);
  request.keys = {"k0", "more", "and", "more2"};
  other.note("u", {}, request, true);
  Observed::Sketch sketch;
  one.add_to(sketch);
  other.add_to(sketch);
  REQUIRE(sketch.clients.size() == 1);
  const Observed::Client& sum = sketch.clients.begin()->second;
  CHECK(sum.all.requests == 2);
  CHECK(sum.all.refused == 1);
  CHECK(sum.rights.size() == Observed::kRights);
  CHECK(sum.rights.at("read\tk0").requests == 2);
  CHECK(sum.beyond.requests == 3);
}

TEST_CASE("observed: whoever has an IPv6 /64 takes one place, and others have theirs") {
  Observed observed;
  protocol::Request request;
  request.caller.command = protocol::Command::Get;
  request.needs = protocol::Command::Get;
  request.keys = {"k"};
  const auto at = [&](std::string_view address) {
    auth::Peer peer;
    peer.ip = *conf::parse_ip(address);
    observed.note("", peer, request, false);
  };
  for (std::size_t i = 0; i < Observed::kClients; ++i) at(fmt::format("2001:db8::{:x}:1", i));
  at("2001:db8:0:1::1");
  at("10.1.2.3");
  at("::1");
  observed.note("", {.unix_socket = true}, request, false);
  Observed::Sketch sketch;
  observed.add_to(sketch);
  std::vector<std::string> names;
  for (const auto& [name, client] : sketch.clients) names.push_back(name);
  CHECK(names == std::vector<std::string>{"address\t10.1.2.3", "address\t2001:db8:0:1::/64",
                                          "address\t2001:db8::/64", "address\t::1", "address\tunix"});
  CHECK(sketch.clients.at("address\t2001:db8::/64").all.requests == Observed::kClients);
  CHECK(sketch.beyond.requests == 0);
  CHECK(observed_from(to_json(sketch)));
}

}  // namespace
}  // namespace mcgate::proxy
