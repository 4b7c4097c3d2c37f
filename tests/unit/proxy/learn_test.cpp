// What is proposed of what was observed, and what of an answer is not taken for one.
#include "proxy/proposal.hpp"

#include <doctest/doctest.h>

#include "auth/directory.hpp"
#include "proxy/observed_reader.hpp"

namespace mcgate::proxy {
namespace {

const std::string kBase =
    "[upstream]\naddress = \"127.0.0.1:1\"\n[[listener]]\naddress = \"127.0.0.1:2\"\nauth = \"observe\"\n"
    "[[user]]\nname = \"web\"\n[[user]]\nname = \"ten\"\nnamespace = \"t:\"\n[role.\"learned-web\"]\n";

std::string client(const std::string& name, const std::string& rights, const std::string& beyond = "0") {
  return "{" + name + ", \"requests\": 9, \"refused\": 3, \"beyond\": {\"requests\": " + beyond +
         ", \"refused\": 0}, \"rights\": [" + rights + "]}";
}

std::string right(const std::string& name, const std::string& keys = "") {
  return "{\"right\": \"" + name + "\"" + (keys.empty() ? "" : ", \"keys\": \"" + keys + "\"") +
         ", \"requests\": 1, \"refused\": 1}";
}

std::string observed(const std::string& clients, const std::string& beyond = "0") {
  return "{\"clients\": [" + clients + "], \"beyond\": {\"requests\": " + beyond + ", \"refused\": 0}}";
}

std::string proposal(const std::string& json, Strangers strangers = Strangers::AreTold,
                     const std::string& base = kBase) {
  const auto config = conf::parse(base, "f");
  if (!config) FAIL(conf::format(config.error().front()));
  const auto sketch = observed_from(json);
  if (!sketch) FAIL(sketch.error());
  const std::string text = propose(*sketch, *config, strangers);
  const auto whole = conf::parse(base + text, "f");
  if (!whole) FAIL(conf::format(whole.error().front()));
  REQUIRE(auth::Directory::build(*whole));
  return text.substr(text.find('\n') + 1);
}

TEST_CASE("learn: a user's role grants what it asked for") {
  CHECK(
      proposal(observed(client("\"user\": \"web\"",
                               right("read", "s:*") + "," + right("write", "s:*") + "," +
                                   right("read", "hits") + "," + right("stats") + "," + right("flush_all"),
                               "7"))) ==
      "\n# User \"web\", line 6: 9 requests, of which its roles do not allow 3.\n"
      "# Look twice: it asked for administrative commands, flush_all.\n"
      "# 7 keys more were beyond the bound of those that are noted, or such as no grant can name: nothing is "
      "granted for them.\n"
      "# In its table this role is to take the place of those that are there: roles = [ \"learned-web-2\" ]\n"
      "[role.learned-web-2]\nallow = [\n"
      "    { commands = [ \"flush_all\", \"stats\" ] },\n"
      "    { commands = [ \"read\" ], keys = [ \"hits\" ] },\n"
      "    { commands = [ \"read\", \"write\" ], keys = [ \"s:*\" ] }\n"
      "]\n");
}

const std::string kThree = [] {
  const std::string rights = right("read", "s:*");
  return observed(client("\"address\": \"10.0.0.1\"", rights) + "," +
                      client("\"address\": \"fd00::/64\"", rights) + "," +
                      client("\"address\": \"unix\"", rights),
                  "5");
}();
const std::string kBeyond =
    "# Of clients beyond the bound of those that are noted there were 5 requests: who they are is not known, "
    "and "
    "nothing is granted for them.\n";

TEST_CASE("learn: who is anonymous is told, and nothing granted to nobody") {
  CHECK(proposal(kThree) ==
        "\n# Still anonymous, 3: 27 requests, of which 9 would be refused: 10.0.0.1, fd00::/64, unix\n"
        "# Let them log in, each as a user of its own: `mcgate user add --role learned-anonymous NAME`. Of "
        "those that "
        "cannot,\n# `mcgate learn --anonymous` makes a user, 255 at most.\n"
        "[role.learned-anonymous]\nallow = [ { commands = [ \"read\" ], keys = [ \"s:*\" ] } ]\n" +
            kBeyond);
}

TEST_CASE("learn: whoever is anonymous gets a user by its address, if that is wanted") {
  const std::string role_and_user =
      "\n# Still anonymous, 3: 27 requests, of which 9 would be refused: 10.0.0.1, fd00::/64, unix\n"
      "# They need no log-in with this: that they are at these addresses is all that tells who they are.\n"
      "[role.learned-anonymous]\nallow = [ { commands = [ \"read\" ], keys = [ \"s:*\" ] } ]\n"
      "[[user]]\nname = \"learned-anonymous\"\nroles = [ \"learned-anonymous\" ]\n"
      "# In the [[listener]] of the Unix socket they connect to: anonymous = \"learned-anonymous\"\n";
  CHECK(proposal(kThree, Strangers::GetAUser) == role_and_user +
                                                     "[[listener.anonymous]]\nnetworks = [ \"10.0.0.1\", "
                                                     "\"fd00::/64\" ]\nuser = \"learned-anonymous\"\n" +
                                                     kBeyond);
  // Where there is no telling which listener it is, or that cannot be added to.
  const std::string told =
      "# In the [[listener]] they connect to: anonymous = [ { networks = [ \"10.0.0.1\", \"fd00::/64\" ], "
      "user "
      "= "
      "\"learned-anonymous\" } ]\n";
  for (const std::string more : {"[[listener]]\naddress = \"127.0.0.1:3\"\nauth = \"report\"\n",
                                 "[[listener]]\naddress = \"127.0.0.1:3\"\n"})
    CHECK(proposal(kThree, Strangers::GetAUser, kBase + more) == role_and_user + told + kBeyond);
  const std::string has_one = "auth = \"observe\"\nanonymous = \"web\"\n";
  std::string base = kBase;
  base.replace(base.find("auth = "), 17, has_one);
  CHECK(proposal(kThree, Strangers::GetAUser, base) == role_and_user + told + kBeyond);
}

TEST_CASE("learn: what has nothing to be granted has no role") {
  CHECK(proposal(observed("")) ==
        "# There was nobody: do clients connect to a listener that observes or reports?\n");
  CHECK(proposal(observed(client("\"user\": \"gone\\n[role.x]\"", right("read", "s:*")))) ==
        "\n# User \"gone\\n[role.x]\" is not in the configuration: left out.\n");
  CHECK(proposal(observed(client("\"user\": \"ten\"", right("flush_all")))) ==
        "\n# User \"ten\", line 8: 9 requests, of which its roles do not allow 3.\n");
  CHECK(
      proposal(observed(client("\"address\": \"10.0.0.1\"", "", "2")), Strangers::GetAUser) ==
      "\n# Still anonymous, 1: 9 requests, of which 3 would be refused: 10.0.0.1\n"
      "# 2 keys more were beyond the bound of those that are noted, or such as no grant can name: nothing is "
      "granted for them.\n");
}

TEST_CASE("learn: no text ends the string or the comment it is in") {
  const std::string said = proposal(observed(client(R"("user": "web")", right("read", R"(a\"]\\#')"))));
  CHECK(said.ends_with(R"(keys = [ "a\"]\\#'" ] } ])"
                       "\n"));
  // A name so long that an array of it has lines of its own, and one that is no bare key.
  const std::string odd = "o\\\"]#'" + std::string(200, 'o');
  const std::string base = kBase + "[[user]]\nname = \"" + odd + "\"\n";
  const std::string rights = observed(client("\"user\": \"" + odd + "\"", right("read", "s:*")));
  const auto whole = conf::parse(base + proposal(rights, Strangers::AreTold, base), "f");
  REQUIRE(whole);
  CHECK(whole->roles.size() == 2);
  CHECK(whole->roles.back().name.starts_with("learned-o\"]#'oo"));
  const std::string plain = kBase + "[[user]]\nname = \"o'brien\"\n";
  CHECK(proposal(observed(client("\"user\": \"o'brien\"", right("read", "s:*"))), Strangers::AreTold, plain)
            .contains("[role.\"learned-o'brien\"]\n"));
}

TEST_CASE("learn: what a user is denied stays denied") {
  const std::string base = kBase +
                           "deny = [{commands = [\"*\"], keys = [\"s:admin:*\", \"root\"]},"
                           " {commands = [\"flush_all\", \"get\"], keys = [\"*\"]}, {commands = "
                           "[\"stats\"]}]\nlimits.value_bytes = 10\n"
                           "[role.other]\ndeny = [{commands = [\"stats\"]}]\n"
                           "[[user]]\nname = \"bob\"\nroles = [\"learned-web\"]\n";
  const std::string said =
      proposal(observed(client("\"user\": \"bob\"", right("read", "s:*"))), Strangers::AreTold, base);
  CHECK(said.contains(
      "# The limits of role \"learned-web\", line 11, are not in it: put them in the user's table.\n"));
  auto config = conf::parse(base + said, "f");
  REQUIRE(config);
  const conf::Role& old = config->roles.front();
  const conf::Role& learned = config->roles.back();
  REQUIRE(learned.name == "learned-bob");
  REQUIRE(learned.deny.size() == old.deny.size());
  for (std::size_t i = 0; i < old.deny.size(); ++i) {
    CHECK(learned.deny[i].commands == old.deny[i].commands);
    CHECK(learned.deny[i].keys == old.deny[i].keys);
    CHECK(learned.deny[i].exact == old.deny[i].exact);
  }
}

TEST_CASE("learn: as many strangers get a user as a listener can have") {
  std::string clients;
  for (int i = 0; i < 257; ++i) {
    const std::string number = std::to_string(i);
    clients += (i == 0 ? "" : ",") +
               client("\"address\": \"10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256) + "\"",
                      right("read", "k" + number));
  }
  const std::string said = proposal(observed(clients), Strangers::GetAUser);
  CHECK(said.contains("name = \"learned-anonymous-255\"\n"));
  CHECK_FALSE(said.contains("name = \"learned-anonymous-256\"\n"));
  CHECK(said.contains("`mcgate user add --role learned-anonymous-257 NAME`"));
}

TEST_CASE("learn: what nobody could have noted is refused") {
  struct Row {
    std::string json;
    std::string_view problem;
  };
  const std::string web = "\"user\": \"web\"";
  const auto with_right = [&](const std::string& some) { return observed(client(web, some)); };
  const std::string_view no_right =
      "client 1: a right needs a category, or an admin command, as right, and keys if it has any";
  const std::string long_key(33, 'k');
  for (const Row& row : {
           Row{"", "it is no JSON, from byte 1 on"},
           Row{"[1", "it is no JSON, from byte 3 on"},
           Row{"\"\xff\"", "it is no JSON, from byte 2 on"},
           Row{"[1e999]", "it is no JSON that mcgate writes: a number is out of range"},
           Row{"{\"more\": -1e999}", "it is no JSON that mcgate writes: a number is out of range"},
           Row{std::string(100'000, '['), "it is no JSON, from byte 100001 on"},
           Row{std::string(100'000, '[') + std::string(100'000, ']'),
               "it is not what GET /observed answers: that has clients, an array, and beyond, an object"},
           Row{"[]",
               "it is not what GET /observed answers: that has clients, an array, and beyond, an object"},
           Row{"{\"clients\": [], \"beyond\": {}}", "beyond needs requests and refused, both numbers"},
           Row{"{\"clients\": [1], \"beyond\": {\"requests\": 0, \"refused\": 0}}",
               "client 1: a client needs either a user or an address"},
           Row{observed(client(web + ", \"address\": \"unix\"", "")),
               "client 1: a client needs either a user or an address"},
           Row{observed(client("\"user\": \"\"", "")), "client 1: a user's name has 1 to 255 bytes, not 0"},
           Row{observed(client("\"address\": \"1\\n2\"", "")),
               "client 1: \"1\\n2\" is no address of a client"},
           Row{observed(client("\"address\": \"fd00::1\"", "")),
               "client 1: \"fd00::1\" is no address of a client"},
           Row{observed(client("\"address\": \"fd00::/48\"", "")),
               "client 1: \"fd00::/48\" is no address of a client"},
           Row{observed(client(web, "") + "," + client(web, "")), "client 2: it is there twice"},
           Row{observed(client(web, "", "-1")), "client 1: beyond needs requests and refused, both numbers"},
           Row{with_right(right("read", "a") + "," + right("read", "a")), "client 1: a right is there twice"},
           Row{with_right("{\"right\": \"stats\"}"),
               "client 1: a right needs requests and refused, both numbers"},
           Row{with_right(right("read")), no_right},
           Row{with_right(right("stats", "a")), no_right},
           Row{with_right(right("*", "a")), no_right},
           Row{with_right(right("admin")), no_right},
           Row{with_right(right("get", "a")), no_right},
           Row{with_right(right("version")), no_right},
           Row{with_right("{\"right\": \"stats\", \"keys\": 1}"), no_right},
           Row{with_right(right("read", "*")),
               "client 1: \"*\" is no beginning of a key that could have been noted"},
           Row{with_right(right("read", "a*")),
               "client 1: \"a*\" is no beginning of a key that could have been noted"},
           Row{with_right(right("read", "a:")),
               "client 1: \"a:\" is no beginning of a key that could have been noted"},
           Row{with_right(right("read", "a:b")),
               "client 1: \"a:b\" is no beginning of a key that could have been noted"},
           Row{with_right(right("read", "a b")),
               "client 1: \"a b\" is no beginning of a key that could have been noted"},
           Row{with_right(right("read", "*a:*")),
               "client 1: \"*a:*\" is no beginning of a key that could have been noted"},
       }) {
    CAPTURE(row.json.substr(0, 200));
    const auto sketch = observed_from(row.json);
    REQUIRE_FALSE(sketch);
    CHECK(sketch.error() == row.problem);
  }
  CHECK_FALSE(observed_from(with_right(right("read", long_key))));
  CHECK(observed_from(with_right(right("read", long_key.substr(1)))));
  CHECK(observed_from(with_right(right("read", long_key.substr(1) + "*"))));
}

TEST_CASE("observed: what is written is read back") {
  Observed observed;
  protocol::Request request;
  request.caller.command = protocol::Command::Gat;
  request.needs = protocol::CommandSet{protocol::Command::Get} | protocol::Command::Touch;
  const std::string long_key(40, 'k');
  request.keys = {"session:1", "hits", "*star", long_key, "end:"};
  observed.note("web", {}, request, true);
  request.keys.clear();
  request.needs = protocol::Command::Stats;
  observed.note("", {.unix_socket = true}, request, false);
  Observed::Sketch sketch;
  observed.add_to(sketch);
  const auto again = observed_from(to_json(sketch));
  if (!again) FAIL(again.error());
  CHECK(to_json(*again) == to_json(sketch));
  CHECK(again->clients.at("user\tweb").rights.size() == 8);
  CHECK(again->clients.at("user\tweb").beyond.requests == 2);
}

}  // namespace
}  // namespace mcgate::proxy
