#include "auth/advice.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace mcgate;

namespace {

constexpr const char* kVerifier =
    "\"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\"";

// The warnings of a configuration whose first line is `text`'s, without the "f:" and "warning: " before each.
std::string advice(const std::string& text, const std::string& listener = "address = \"127.0.0.1:2\"") {
  const auto config =
      conf::parse(text + "\n[upstream]\naddress = \"127.0.0.1:1\"\n[[listener]]\n" + listener + "\n", "f");
  if (!config) FAIL(conf::format(config.error().front()));
  std::string all;
  for (const conf::Problem& problem : auth::advise(*config)) {
    const std::string line = conf::format(problem);
    const std::size_t at = line.find("warning: ");
    REQUIRE(at != std::string::npos);
    all += line.substr(2, at - 2) + line.substr(at + 9) + "\n";
  }
  return all;
}

// A user in one line, who may log in.
std::string user(const std::string& name, const std::string& roles) {
  return "user = [{ name = \"" + name + "\", secrets = [" + kVerifier + "], roles = [" + roles + "] }]\n";
}

std::string role(const std::string& allow, const std::string& deny = "") {
  return user("u", "\"r\"") + "[role.r]\nallow = [\n" + allow + "]\ndeny = [" + deny + "]\n";
}

}  // namespace

TEST_CASE("advice: nothing to say of what is as it should be") {
  CHECK(advice(role("{ commands = [\"read\"], keys = [\"*\"] },\n"
                    "{ commands = [\"write\"], keys = [\"a:*\", \"a\"] },\n"
                    "{ commands = [\"stats\"] },\n",
                    "{ commands = [\"*\"], keys = [\"a:b:*\"] }")) == "");
}

TEST_CASE("advice: a grant that is denied") {
  struct Row {
    std::string allow, deny, warnings;
  };
  for (const Row& row : {
           Row{"{ commands = [\"get\"], keys = [\"a:b\"] }", "{ commands = [\"*\"], keys = [\"a:*\"] }",
               "4:1: this grant allows nothing: all of it is denied, as in line 6\n"},
           Row{"{ commands = [\"get\"], keys = [\"a:*\"] }", "{ commands = [\"read\"], keys = [\"a:*\"] }",
               "4:1: this grant allows nothing: all of it is denied, as in line 6\n"},
           Row{"{ commands = [\"get\", \"set\"], keys = [\"a*\"] }",
               "{ commands = [\"set\"], keys = [\"*\"] }, { commands = [\"get\"], keys = [\"a*\"] }",
               "4:1: this grant allows nothing: all of it is denied, as in line 6\n"},
           Row{"{ commands = [\"stats\"] }", "{ commands = [\"stats\"] }",
               "4:1: this grant allows nothing: all of it is denied, as in line 6\n"},
           Row{"{ commands = [\"get\"], keys = [\"a:*\", \"b:1\", \"c\"] }",
               "{ commands = [\"get\"], keys = [\"b*\", \"c\", \"a:x\"] }",
               "4:1: the key \"b:1\" of this grant allows nothing: it is denied, as in line 6\n"
               "4:1: the key \"c\" of this grant allows nothing: it is denied, as in line 6\n"},
           // Some of it is left.
           Row{"{ commands = [\"*\"], keys = [\"a:*\"] }", "{ commands = [\"*\"], keys = [\"a:*\"] }",
               "4:1: the key \"a:*\" of this grant allows nothing: it is denied, as in line 6\n"},
           Row{"{ commands = [\"get\"], keys = [\"a:*\"] }",
               "{ commands = [\"get\"], keys = [\"a:\", \"a:b*\"] }", ""},
           Row{"{ commands = [\"get\", \"set\"], keys = [\"a\"] }",
               "{ commands = [\"get\"], keys = [\"a\"] }", ""},
           Row{"{ commands = [\"get\"], keys = [\"a*\"] }", "{ commands = [\"get\"], keys = [\"ab*\"] }", ""},
       }) {
    CAPTURE(row.allow);
    CAPTURE(row.deny);
    CHECK(advice(role(row.allow + "\n", row.deny)) == row.warnings);
  }
}

TEST_CASE("advice: a denial counts where everyone who has the role has it") {
  const std::string roles =
      "[role.a]\nallow = [{ commands = [\"get\"], keys = [\"k\"] }]\n"
      "[role.b]\ndeny = [{ commands = [\"get\"], keys = [\"*\"] }]\n";
  CHECK(advice(user("u", "\"a\", \"b\"") + roles) ==
        "3:10: this grant allows nothing: all of it is denied, as in line 5\n");
  const std::string another = "user = [{ name = \"u\", secrets = [" + std::string{kVerifier} +
                              "], roles = [\"a\", \"b\"] }, { name = \"v\", secrets = [" + kVerifier +
                              "], roles = [\"a\"] }]\n";
  CHECK(advice(another + roles) == "");
}

TEST_CASE("advice: a grant within a wider one") {
  struct Row {
    std::string allow, warnings;
  };
  const std::string adds_nothing =
      ": this grant adds nothing: the role allows all of it already, as in line ";
  for (
      const Row& row : {
          Row{"{ commands = [\"read\"], keys = [\"*\"] },\n{ commands = [\"get\"], keys = [\"a:*\", \"b\"] }",
              "5:1" + adds_nothing + "4\n"},
          Row{"{ commands = [\"get\"], keys = [\"a:b\"] },\n{ commands = [\"get\"], keys = [\"a:*\"] }",
              "4:1" + adds_nothing + "5\n"},
          Row{"{ commands = [\"get\"], keys = [\"a*\"] },\n{ commands = [\"get\"], keys = [\"a*\"] }",
              "5:1" + adds_nothing + "4\n"},
          Row{"{ commands = [\"get\"], keys = [\"a\"] },\n{ commands = [\"get\"], keys = [\"a*\"] }",
              "4:1" + adds_nothing + "5\n"},
          Row{"{ commands = [\"get\"], keys = [\"a*\"] },\n{ commands = [\"set\"], keys = [\"a*\"] },\n"
              "{ commands = [\"get\", \"set\"], keys = [\"ab*\"] }",
              "6:1" + adds_nothing + "4\n"},
          Row{"{ commands = [\"get\"], keys = [\"a*\"] },\n{ commands = [\"get\"], keys = [\"a:*\", \"b\"] }",
              ""},
          Row{"{ commands = [\"get\"], keys = [\"a\"] },\n{ commands = [\"get\"], keys = [\"ab\"] }", ""},
          Row{"{ commands = [\"*\"], keys = [\"*\"] },\n{ commands = [\"flush_all\"] }", ""},
      }) {
    CAPTURE(row.allow);
    CHECK(advice(role(row.allow + "\n")) == row.warnings);
  }
}

TEST_CASE("advice: roles and users for nothing") {
  CHECK(advice(user("u", "\"r\"") + "[role.r]\nallow = [{ commands = [\"stats\"] }]\n[role.s]\n") ==
        "4:1: nobody has the role \"s\"\n");
  CHECK(advice(user("u", "")) == "1:9: user \"u\" may do nothing: no role of it allows anything\n");
  const std::string without_secret =
      "user = [{ name = \"u\", roles = [\"r\"] }]\n[role.r]\nallow = [{ commands = [\"stats\"] }]\n";
  CHECK(advice(without_secret) ==
        "1:9: user \"u\" cannot log in: it has no secret, and no listener has it as anonymous\n");
  CHECK(advice(without_secret, "address = \"127.0.0.1:2\"\nanonymous = \"u\"") == "");
}

TEST_CASE("advice: certificates and Unix users that no listener asks for") {
  const auto user_with = [](const std::string& proof) {
    return "user = [{ name = \"u\", roles = [\"r\"], " + proof +
           " }]\n[role.r]\nallow = [{ commands = [\"stats\"] }]\n";
  };
  const std::string tls =
      "address = \"127.0.0.1:2\"\ntls = { certificate = \"c\", key = \"k\", client_certificate = "
      "\"optional\", "
      "client_ca = \"a\" }";
  const std::string cannot =
      "1:9: user \"u\" cannot log in: it has no secret, and no listener has it as anonymous\n";
  const std::string certificate = user_with("certificates = [\"cn:u\"]");
  CHECK(advice(certificate, tls) == "");
  CHECK(advice(certificate) ==
        cannot + "1:54: user \"u\" has certificates, which no listener asks for: see client_certificate\n");
  const std::string owner = user_with("unix_users = [\"7\"]");
  const std::string unused =
      "1:9: user \"u\" has unix_users or unix_groups, and no listener is a Unix socket that clients connect "
      "to by "
      "themselves\n";
  CHECK(advice(owner, "address = \"unix:/x\"") == "");
  CHECK(advice(owner, "address = \"unix:/x\"\nproxy_protocol_from = [\"unix\"]") == cannot + unused);
  CHECK(advice(owner) == cannot + unused);
}

TEST_CASE("advice: admin commands within anybody's reach") {
  const std::string admin = user("u", "\"r\"") + "[role.r]\nallow = [{ commands = [\"flush_all\"] }]\n";
  CHECK(advice(admin) == "");
  CHECK(
      advice(admin, "address = \"127.0.0.1:2\"\nanonymous = \"u\"") ==
      "1:9: user \"u\" has admin commands, and whoever reaches a listener that has it as anonymous has them "
      "too\n");
  CHECK(advice(admin, "address = \"0.0.0.0:2\"\ninsecure_passwords = true") ==
        "1:9: user \"u\" has admin commands, and its password may cross the network without TLS: a listener "
        "has insecure_passwords\n");
  CHECK(advice(admin, "address = \"0.0.0.0:2\"") ==
        "7:1: without tls, this listener takes passwords from local clients only\n");
}

TEST_CASE("advice: a listener where all pass") {
  const std::string one = role("{ commands = [\"get\"], keys = [\"*\"] }\n");
  for (const char* const mode : {"observe", "report"}) {
    CHECK(advice(one, "address = \"127.0.0.1:2\"\nauth = \"" + std::string{mode} + "\"") ==
          "10:1: whoever reaches this listener may do everything, until its auth is \"required\"\n");
  }
  CHECK(advice("user = [{ name = \"u\", roles = [\"r\"] }]\n[role.r]\nallow = [{ commands = [\"stats\"] }]\n",
               "address = \"127.0.0.1:2\"\nanonymous = [{ networks = [\"10.0.0.1\"], user = \"u\" }]") == "");
}
