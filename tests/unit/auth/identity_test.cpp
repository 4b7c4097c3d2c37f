#include "auth/identity.hpp"

#include <doctest/doctest.h>

#include "conf/network.hpp"

namespace mcgate::auth {
namespace {

TEST_CASE("peers read as people write them") {
  struct Row {
    Peer peer;
    std::string_view text;
    bool local;
  };
  const auto at = [](std::string_view ip, std::uint16_t port) {
    return Peer{.unix_socket = false, .ip = conf::parse_ip(ip).value(), .port = port};
  };
  for (const auto& row : {
           Row{at("10.0.0.1", 4711), "10.0.0.1:4711", false},
           Row{at("fd00::1", 4711), "[fd00::1]:4711", false},
           Row{at("127.0.0.1", 1), "127.0.0.1:1", true},
           Row{at("::1", 65535), "[::1]:65535", true},
           Row{Peer{.unix_socket = true, .ip = {}, .port = 0}, "unix", true},
       }) {
    CAPTURE(row.text);
    CHECK(format(row.peer) == row.text);
    CHECK(row.peer.is_local() == row.local);
  }
}

TEST_CASE("proofs have names") {
  CHECK(name(Proof::Anonymous) == "anonymous");
  CHECK(name(Proof::Text) == "text");
  CHECK(name(Proof::Plain) == "PLAIN");
  CHECK(name(Proof::ScramSha256) == "SCRAM-SHA-256");
  CHECK(name(Proof::ScramSha512) == "SCRAM-SHA-512");
}

}  // namespace
}  // namespace mcgate::auth
