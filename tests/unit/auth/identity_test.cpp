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
  CHECK(name(Proof::ScramSha256Plus) == "SCRAM-SHA-256-PLUS");
  CHECK(name(Proof::ScramSha512Plus) == "SCRAM-SHA-512-PLUS");
}

TEST_CASE("mechanisms are known by their names, whole and without case") {
  for (const std::string name :
       {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512-PLUS", "scram-sha-256-plus", "Plain"}) {
    CAPTURE(name);
    CHECK(proof_by(name));
    for (const auto& other : {name + " ", name.substr(1), name + "-PLUS", " " + name, name + '\0'})
      CHECK((other == "SCRAM-SHA-256-PLUS" || !proof_by(other)));
  }
  for (const auto* const other :
       {"", " ", "PLAIN SCRAM-SHA-256", "anonymous", "text", "certificate", "EXTERNAL"})
    CHECK_FALSE(proof_by(other));
}

TEST_CASE("SCRAM comes bound and unbound, and nothing else does") {
  for (const auto& [unbound_proof, bound_proof] : {std::pair{Proof::ScramSha256, Proof::ScramSha256Plus},
                                                   {Proof::ScramSha512, Proof::ScramSha512Plus}}) {
    for (const Proof proof : {unbound_proof, bound_proof}) {
      CHECK(bound(proof) == bound_proof);
      CHECK(unbound(proof) == unbound_proof);
      CHECK(is_scram(proof));
      CHECK(is_bound(proof) == (proof == bound_proof));
    }
  }
  for (const Proof proof :
       {Proof::Anonymous, Proof::Text, Proof::Plain, Proof::Certificate, Proof::UnixPeer}) {
    CHECK((bound(proof) == proof && unbound(proof) == proof));
    CHECK_FALSE((is_scram(proof) || is_bound(proof)));
  }
}

TEST_CASE("the anonymous user of a client: of the smallest network that holds it, or of all") {
  const auto network = [](std::string_view text) { return *conf::parse_network(text); };
  const auto from = [](std::string_view ip) { return Peer{false, *conf::parse_ip(ip), 1}; };
  conf::Listener listener;
  CHECK(anonymous_user(listener, from("10.0.0.1")).empty());
  listener.anonymous_by_network = {{{network("10.0.0.0/8"), network("fd00::/16")}, "wide"},
                                   {{network("10.1.0.0/16")}, "narrow"},
                                   {{network("10.1.2.3")}, "one"}};
  struct Row {
    std::string_view ip, user;
  };
  for (const Row& row : {Row{"10.0.0.1", "wide"}, Row{"10.1.0.1", "narrow"}, Row{"10.1.2.3", "one"},
                         Row{"fd00::1", "wide"}, Row{"11.0.0.1", ""}, Row{"::1", ""}}) {
    CAPTURE(row.ip);
    CHECK(anonymous_user(listener, from(row.ip)) == row.user);
  }
  Peer peer{.unix_socket = true, .ip = *conf::parse_ip("10.0.0.1")};
  CHECK(anonymous_user(listener, peer).empty());
  peer.proxied = true;
  CHECK(anonymous_user(listener, peer) == "wide");
  listener = {};
  listener.anonymous = "all";
  CHECK(anonymous_user(listener, from("11.0.0.1")) == "all");
  CHECK(anonymous_user(listener, Peer{true, {}, 0}) == "all");
}

}  // namespace
}  // namespace mcgate::auth
