#include "auth/owner_map.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/unit/auth/users.hpp"

namespace mcgate::auth {
namespace {

struct Owned {
  std::string user;
  std::vector<std::string> users;
  std::vector<std::string> groups;
};

conf::Config config_of(const std::vector<Owned>& all) {
  conf::Config config;
  config.file = "f";
  for (const Owned& owned : all) {
    config.users.push_back(test::user(owned.user, {}));
    const auto line = static_cast<std::uint32_t>(config.users.size());
    for (const std::string& name : owned.users) config.users.back().unix_users.push_back({{line, 1}, name});
    for (const std::string& name : owned.groups) config.users.back().unix_groups.push_back({{line, 2}, name});
  }
  return config;
}

TEST_CASE("owner map: by uid, or else by gid; names are asked of the system") {
  std::vector<conf::Problem> problems;
  const OwnerMap map{
      config_of({{"super", {"root"}, {}}, {"web", {"1000", "1001"}, {"2000"}}, {"ops", {}, {"0"}}}),
      problems};
  CHECK(problems.empty());
  struct Row {
    UnixOwner owner;
    std::string user;
  };
  for (const Row& row : std::vector<Row>{{{0, 0}, "super"},
                                         {{0, 2000}, "super"},
                                         {{1000, 0}, "web"},
                                         {{1001, 7}, "web"},
                                         {{7, 2000}, "web"},
                                         {{7, 0}, "ops"},
                                         {{2000, 1000}, "nobody"},
                                         {{4294967295, 4294967295}, "nobody"}}) {
    CAPTURE(row.owner.uid);
    CAPTURE(row.owner.gid);
    const std::string* user = map.find(row.owner);
    CHECK((user != nullptr ? *user : "nobody") == row.user);
  }
}

TEST_CASE("owner map: what cannot be one user's is a problem, at its place") {
  struct Row {
    std::vector<Owned> owned;
    std::string problem;
  };
  for (const Row& row : std::vector<Row>{
           {{{"a", {"no-such-user"}, {}}},
            "f:1:1: user \"a\": Unix user \"no-such-user\": this system has no such name"},
           {{{"a", {}, {"no-such-group"}}},
            "f:1:2: user \"a\": Unix group \"no-such-group\": this system has no such name"},
           {{{"a", {"-1"}, {}}}, "f:1:1: user \"a\": Unix user \"-1\": this system has no such name"},
           {{{"a", {"4294967296"}, {}}},
            "f:1:1: user \"a\": Unix user \"4294967296\": this system has no such name"},
           {{{"a", {"root"}, {}}, {"b", {"0"}, {}}},
            "f:2:1: user \"b\": Unix user \"0\": it is user \"a\" already"},
           {{{"a", {}, {"7"}}, {"b", {"7"}, {"7"}}},
            "f:2:2: user \"b\": Unix group \"7\": it is user \"a\" already"},
           {{{"a", {"nobody"}, {}}},
            "f:1:1: user \"a\": Unix user \"nobody\": the kernel shows 65534 for whoever has no name here, "
            "and so "
            "for anybody"},
           {{{"a", {"root", "0"}, {"root"}}}, ""},
       }) {
    CAPTURE(row.problem);
    std::vector<conf::Problem> problems;
    const OwnerMap map{config_of(row.owned), problems};
    std::string all;
    for (const conf::Problem& problem : problems) all += conf::format(problem);
    CHECK(all == row.problem);
  }
}

TEST_CASE("peers: networks judge addresses, and a proxy's clients are never local") {
  const Peer at_socket{.unix_socket = true};
  Peer of_proxy_at_socket = at_socket;
  of_proxy_at_socket.proxied = true;
  Peer loopback = test::peer("127.0.0.1");
  const std::vector networks{conf::parse_network("192.0.2.0/24").value()};
  CHECK(at_socket.is_local());
  CHECK(loopback.is_local());
  CHECK(admits(networks, at_socket));
  CHECK_FALSE(admits(networks, of_proxy_at_socket));
  CHECK_FALSE(admits(networks, loopback));
  CHECK(admits(networks, test::peer("192.0.2.7")));
  CHECK(admits(std::vector<conf::Network>{}, of_proxy_at_socket));
  loopback.proxied = true;
  CHECK_FALSE(of_proxy_at_socket.is_local());
  CHECK_FALSE(loopback.is_local());
}

}  // namespace
}  // namespace mcgate::auth
