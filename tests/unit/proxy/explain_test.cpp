// What explain says of files of policies, and that what it proposes does what it says.
#include "proxy/explain.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

using namespace mcgate;
using proxy::Explanation;
using proxy::Question;

namespace {

struct Loaded {
  conf::Config config;
  auth::Directory directory;
};

Loaded loaded(std::expected<conf::Config, std::vector<conf::Problem>> config) {
  if (!config) FAIL(conf::format(config.error().front()));
  auto directory = auth::Directory::build(*config);
  REQUIRE(directory.has_value());
  return {std::move(*config), std::move(*directory)};
}

Loaded policy(const std::string& text) {
  return loaded(conf::parse("[upstream]\naddress = \"127.0.0.1:1\"\n" + text, "f"));
}

Explanation explained(const Loaded& from, const Question& question) {
  const auto explanation = proxy::explain(from.config, from.directory, question);
  if (!explanation) FAIL(explanation.error());
  return *explanation;
}

std::string error_of(const Loaded& from, const Question& question) {
  const auto explanation = proxy::explain(from.config, from.directory, question);
  return explanation ? "none" : explanation.error();
}

constexpr const char* kShop =
    "[[listener]]\naddress = \"127.0.0.1:2\"\nnetworks = [\"10.0.0.0/8\"]\n"       // lines 3 to 5
    "[[listener]]\naddress = \"127.0.0.1:3\"\nanonymous = \"guest\"\n"             // 6 to 8
    "[[user]]\nname = \"web\"\nroles = [\"web\"]\nnetworks = [\"10.1.0.0/16\"]\n"  // 9 to 12
    "[[user]]\nname = \"guest\"\nroles = []\n"                                     // 13 to 15
    "[role.web]\n"                                                                 // 16
    "allow = [{ commands = [\"get\"], keys = [\"*\"] }]\n"
    "deny = [{ commands = [\"*\"], keys = [\"s:*\"] }, { commands = [\"get\"], keys = [\"s:1\"] }]\n"
    "[role.ops]\nallow = [{ commands = [\"*\", \"flush_all\"], keys = [\"*\"] }]\n";  // 19 and 20

}  // namespace

TEST_CASE("explain says of every case what it says, and by the same rule") {
  std::size_t cases = 0;
  for (const auto& file : std::filesystem::directory_iterator{MCGATE_SOURCE_DIR "/tests/policy"}) {
    if (file.path().extension() != ".toml") continue;
    const Loaded from = loaded(conf::load(file.path().string()));
    std::ifstream lines{std::filesystem::path{file.path()}.replace_extension(".cases")};
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line.starts_with('#')) continue;
      CAPTURE(line);
      std::istringstream words{line};
      std::string arrow, verdict, rule;
      Question question;
      std::string key;
      words >> question.user >> question.command >> key >> arrow >> verdict >> std::ws;
      std::getline(words, rule, ')');
      std::ranges::replace(question.command, '+', ' ');
      if (key != "-") question.key = key;
      // These stand for an older command of the same effect too, and may be refused for want of that.
      if (question.command == "ms" || question.command == "md" || question.command == "gat") continue;
      const Explanation explanation = explained(from, question);
      CAPTURE(explanation.why);
      CHECK(explanation.allowed == (verdict == "allow"));
      const std::size_t colon = rule.find(':');
      const std::string expected = colon == rule.npos ? "no grant of "
                                                      : "role " + rule.substr(1, colon - 1) + ", " +
                                                            file.path().string() + rule.substr(colon) + ":";
      CHECK(explanation.why.find(expected) != std::string::npos);
      CHECK(explanation.change.empty() == explanation.allowed);
      ++cases;
    }
  }
  CHECK(cases >= 60);
}

TEST_CASE("explain: rules at their places, and what would change them") {
  const Loaded shop = policy(kShop);
  struct Row {
    Question question;
    std::string answer;
  };
  for (const Row& row : {
           Row{{"web", "get", "a", "", ""}, "allowed: by role web, f:17:10\n"},
           Row{{"web", "get", "s:1", "", ""},
               "refused: denied by role web, f:18:9 and role web, f:18:47\n"
               "what would change it:\n"
               "  the denial at f:18:9 must leave this out, or \"web\" must lose the role web\n"
               "  the denial at f:18:47 must leave this out, or \"web\" must lose the role web\n"},
           Row{{"web", "set", "s:2", "", ""},
               "refused: denied by role web, f:18:9\n"
               "what would change it:\n"
               "  the denial at f:18:9 must leave this out, or \"web\" must lose the role web\n"
               "  a role of \"web\" must allow { commands = [\"set\"], keys = [\"s:2\"] }\n"
               "  or \"web\" must have the role ops, f:19:1, which does\n"},
           Row{{"web", "flush_all", {}, "", ""},
               "refused: no grant of flush_all in the roles of \"web\" (web), f:9:1\n"
               "what would change it:\n"
               "  a role of \"web\" must allow { commands = [\"flush_all\"] }\n"
               "  or \"web\" must have the role ops, f:19:1, which does\n"},
           Row{{"web", "shutdown", {}, "", ""},
               "refused: no grant of shutdown in the roles of \"web\" (web), f:9:1\n"
               "what would change it:\n"
               "  a role of \"web\" must allow { commands = [\"shutdown\"] }\n"},
           Row{{"guest", "get", "a", "", ""},
               "refused: no grant of get on this key: \"guest\" has no role, f:13:1\n"
               "what would change it:\n"
               "  a role of \"guest\" must allow { commands = [\"get\"], keys = [\"a\"] }\n"
               "  or \"guest\" must have the role web, f:16:1, which does\n"
               "  or \"guest\" must have the role ops, f:19:1, which does\n"},
           Row{{"guest", "version", {}, "", ""}, "allowed: every user may: it needs no grant\n"},
           Row{{"weeb", "get", "a", "", ""},
               "refused: there is no user \"weeb\" (did you mean \"web\"?)\n"
               "what would change it:\n  `mcgate user add` makes one\n"},
           Row{{"", "get", "a", "", "127.0.0.1:2"},
               "refused: nobody has logged in, and the listener at f:3:1 has no anonymous user for it\n"
               "what would change it:\n  a log-in\n"
               "  or a user of few rights named by that listener's `anonymous`\n"},
           Row{{"", "quit", {}, "", "127.0.0.1:2"}, "allowed: it needs no log-in\n"},
           Row{{"", "version", {}, "", "127.0.0.1:3"}, "allowed: every user may: it needs no grant\n"},
           Row{{"web", "get", "a", "10.1.2.3", "127.0.0.1:2"}, "allowed: by role web, f:17:10\n"},
           Row{{"web", "get", "a", "unix", ""}, "allowed: by role web, f:17:10\n"},
           Row{{"web", "get", "a", "10.2.2.3", "127.0.0.1:2"},
               "refused: \"web\" may not come from 10.2.2.3: networks of f:9:1\n"
               "what would change it:\n  a network of that user that holds the address\n"},
           Row{{"web", "get", "a", "::1", "127.0.0.1:2"},
               "refused: clients from ::1 are closed at once: networks of the listener at f:3:1\n"
               "what would change it:\n  a network of that listener that holds the address\n"},
       }) {
    CAPTURE(row.answer);
    CHECK(proxy::format(explained(shop, row.question)) == row.answer);
  }
}

TEST_CASE("explain asks for what a meta command's flags do") {
  const Loaded reader = policy(
      "[[listener]]\naddress = \"127.0.0.1:2\"\n[[user]]\nname = \"u\"\nroles = [\"r\"]\n"
      "[role.r]\nallow = [{ commands = [\"read\"], keys = [\"*\"] }]\n");
  struct Row {
    std::string command, missing;
  };
  for (const Row& row : {Row{"mg v t", ""}, Row{"mg T30", "touch"}, Row{"mg N30", "set"}, Row{"gat", "touch"},
                         Row{"ms MA", "append, ms"}, Row{"ma MD N0", "set, decr, ma"}}) {
    CAPTURE(row.command);
    const Explanation explanation = explained(reader, {"u", row.command, "k", "", ""});
    CHECK(explanation.allowed == row.missing.empty());
    if (!row.missing.empty())
      CHECK(explanation.why.starts_with("no grant of " + row.missing + " on this key"));
  }
}

TEST_CASE("explain: a question that makes no sense is an error, not a refusal") {
  const Loaded shop = policy(kShop);
  struct Row {
    Question question;
    std::string error;
  };
  for (const Row& row : {
           Row{{"web", "gett", "a", "", ""}, "there is no command \"gett\" (did you mean \"get"},
           Row{{"web", "get v", "a", "", ""}, "there is no command \"get v\""},
           Row{{"web", "mg #", "a", "", ""}, "\"mg #\" is no request that could be sent"},
           Row{{"web", "mg v\r\nget b", "a", "", ""}, "is no request that could be sent"},
           Row{{"web", "get", {}, "", ""}, "get needs a key: --key"},
           Row{{"web", "stats", "a", "", ""}, "stats has no key"},
           Row{{"web", "get", "a b", "", ""}, "a key has 1 to 250 bytes"},
           Row{{"web", "get", "", "", ""}, "a key has 1 to 250 bytes"},
           Row{{"web", "get", std::string(251, 'a'), "", ""}, "a key has 1 to 250 bytes"},
           Row{{"", "get", "a", "", ""}, "who asks? --user, or --listener"},
           Row{{"web", "get", "a", "10.1", ""}, "\"10.1\" is not an IPv4 or IPv6 address"},
           Row{{"web", "get", "a", "", "127.0.0.1:9"},
               "no listener has the address \"127.0.0.1:9\"; there are 127.0.0.1:2, 127.0.0.1:3"},
       }) {
    CAPTURE(row.error);
    CHECK(error_of(shop, row.question).find(row.error) != std::string::npos);
  }
}

TEST_CASE("explain knows who does not log in, by where it is, and where all pass") {
  const Loaded some = policy(
      "[[listener]]\naddress = \"127.0.0.1:2\"\nauth = \"report\"\n"
      "anonymous = [{ networks = [\"10.0.0.0/8\"], user = \"u\" }]\n"
      "[[user]]\nname = \"u\"\nroles = [\"r\"]\n"
      "[role.r]\nallow = [{ commands = [\"get\"], keys = [\"*\"] }]\n");
  CHECK(explained(some, {"", "get", "a", "10.0.0.1", "127.0.0.1:2"}).allowed);
  const Explanation refused = explained(some, {"", "get", "a", "11.0.0.1", "127.0.0.1:2"});
  CHECK_FALSE(refused.allowed);
  CHECK(refused.why.ends_with("; but the listener at f:3:1 lets everything pass: see its auth"));
  CHECK(error_of(some, {"", "get", "a", "", "127.0.0.1:2"}).ends_with("depends on where it is: --from"));
}

TEST_CASE("explain: a question as a query, and an answer as JSON") {
  const auto question = proxy::parse_question("user=web&command=mg%20T30&key=a%3A1&from=10.0.0.1");
  REQUIRE(question.has_value());
  CHECK(question->user == "web");
  CHECK(question->command == "mg T30");
  CHECK(question->key == "a:1");
  CHECK(question->from == "10.0.0.1");
  CHECK(question->listener.empty());
  CHECK_FALSE(proxy::parse_question("user=web&kye=a").has_value());
  CHECK(proxy::to_json({true, "by \"\xff\"", {}}) ==
        "{\n  \"allowed\": true,\n  \"why\": \"by \\\"\\ufffd\\\"\",\n  \"change\": []\n}\n");
}

TEST_CASE("explain knows users by their certificates") {
  const Loaded some = policy(
      "[[listener]]\naddress = \"127.0.0.1:2\"\n"
      "[[user]]\nname = \"u\"\ncertificates = [\"uri:spiffe://a/*\"]\nroles = [\"r\"]\n"
      "[role.r]\nallow = [{ commands = [\"get\"], keys = [\"*\"] }]\n");
  Question question{"", "get", "k", "", "", "uri:spiffe://a/b"};
  CHECK(explained(some, question).why.starts_with("by role r, f:10:"));
  question.certificate = "uri:spiffe://b/b";
  CHECK(error_of(some, question).starts_with("nobody has that certificate"));
  question.listener = "127.0.0.1:2";
  CHECK_FALSE(explained(some, question).allowed);
  question.user = "u";
  CHECK(error_of(some, question) == "either a user or a certificate");
}
