#include "conf/config.hpp"
#include "conf/file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "protocol/command.hpp"
#include "tests/unit/conf/configs.hpp"

using namespace mcgate::conf;
using namespace mcgate::conf::test;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using mcgate::protocol::Command;
using mcgate::protocol::CommandSet;

TEST_CASE("what is left out has its default") {
  const Config config = good(least());
  CHECK(config.file == "f");
  CHECK(config.workers == 0);
  CHECK_FALSE(config.denied_no_access);
  REQUIRE(config.listeners.size() == 1);
  const Listener& listener = config.listeners[0];
  CHECK(format(listener.address) == "127.0.0.1:1");
  CHECK(listener.mode == 0660);
  CHECK_FALSE(listener.tls.has_value());
  CHECK(listener.networks.empty());
  CHECK(listener.text_login);
  CHECK_FALSE(listener.insecure_passwords);
  CHECK(listener.auth == AuthMode::Required);
  CHECK(listener.anonymous.empty());
  CHECK(listener.anonymous_by_network.empty());
  CHECK(config.upstream.links == 1);
  CHECK_FALSE(config.upstream.insecure_remote);
  CHECK(config.upstream.reply_timeout == 10s);
  CHECK(config.timeouts.handshake == 20s);
  CHECK(config.timeouts.login == 60s);
  CHECK(config.limits.value_bytes == 1'048'576);
  CHECK(config.log.level == LogLevel::Info);
  CHECK(config.login.mechanisms == std::vector<std::string>{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512",
                                                            "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"});
  CHECK_FALSE(config.admin.has_value());
  CHECK(config.users.empty());
  CHECK(config.roles.empty());
}

TEST_CASE("nobody is made to wait for longer than it may stay, unless that is asked for") {
  CHECK(good(least()).login.throttle.longest_delay == 15s);
  CHECK(good(least() + "[timeouts]\nlogin_seconds = 14\n").login.throttle.longest_delay == 14s);
}

TEST_CASE("every key arrives where it belongs") {
  const Config config = good(R"(
workers = 3
denied_status = "no-access"
[[listener]]
address = "[::]:11211"
networks = ["10.0.0.0/8", "::1"]
text_login = false
insecure_passwords = true
anonymous = "guest"
tls = { certificate = "/c", key = "/k", minimum_version = "1.3" }
[[listener]]
address = "unix:/run/m.sock"
mode = 0o600
[[listener]]
address = "unix:/run/n.sock"
mode = "0666"
[listener.tls]
certificate = "/c2"
key = "/k2"
[upstream]
address = "10.0.0.1:11211"
insecure_remote = true
links = 4
connect_timeout_seconds = 0.25
reply_timeout_seconds = 3
[timeouts]
handshake_seconds = 1
login_seconds = 2
request_seconds = 3
write_seconds = 4
idle_seconds = 5
drain_seconds = 0
[limits]
sessions = 1
value_bytes = 2
keys_per_request = 3
session_output_bytes = 4096
requests_in_flight = 5
link_output_bytes = 8192
streams = 0
sessions_per_address = 6
strangers = 7
worker_bytes = 8
write_bytes_per_second = 9
[log]
format = "json"
level = "error"
[login]
mechanisms = ["SCRAM-SHA-512"]
runners = 1
queue = 2
remembered = 0
decoy_key = "0123456789abcdef0123456789abcdef"
saslauthd = "/run/saslauthd/mux"
saslauthd_timeout_seconds = 0.1
saslauthd_runners = 3
[login.throttle]
failures = 1
address_failures = 2
half_life_seconds = 3
delay_seconds = 0.25
longest_delay_seconds = 2
[admin]
address = "0.0.0.0:9150"
hosts = ["mcgate.example", "a_b-1"]
insecure_remote = true
[[user]]
name = "guest"
[[user]]
name = "größe:\"x"
enabled = false
secrets = ["SCRAM-SHA-256$a", { verifier = "SCRAM-SHA-512$b", not_after = 1970-01-02T01:00:00.9+01:00, scram = true, comment = "c" }]
networks = ["fd00::/8"]
roles = ["web", "admin"]
[role.web]
allow = [{ commands = ["get", "touch"], keys = ["a:*", "b"] }]
deny = [{ commands = ["*"], keys = ["a:x*"] }]
[role.admin]
allow = [{ commands = ["stats items", "flush_all"] }]
)");
  CHECK(config.workers == 3);
  CHECK(config.denied_no_access);

  REQUIRE(config.listeners.size() == 3);
  const Listener& tls = config.listeners[0];
  CHECK(tls.place.line == 4);
  CHECK(tls.networks.size() == 2);
  CHECK_FALSE(tls.text_login);
  CHECK(tls.insecure_passwords);
  CHECK(tls.anonymous == "guest");
  REQUIRE(tls.tls.has_value());
  CHECK(tls.tls->certificate == "/c");
  CHECK(tls.tls->key == "/k");
  CHECK(tls.tls->require_1_3);
  CHECK(config.listeners[1].mode == 0600);
  CHECK(config.listeners[2].mode == 0666);
  REQUIRE(config.listeners[2].tls.has_value());
  CHECK_FALSE(config.listeners[2].tls->require_1_3);

  CHECK(format(config.upstream.address) == "10.0.0.1:11211");
  CHECK(config.upstream.insecure_remote);
  CHECK(config.upstream.links == 4);
  CHECK(config.upstream.connect_timeout == 250ms);
  CHECK(config.upstream.reply_timeout == 3s);

  CHECK(config.timeouts.handshake == 1s);
  CHECK(config.timeouts.login == 2s);
  CHECK(config.timeouts.request == 3s);
  CHECK(config.timeouts.write == 4s);
  CHECK(config.timeouts.idle == 5s);
  CHECK(config.timeouts.drain == 0s);

  CHECK(config.limits.sessions == 1);
  CHECK(config.limits.value_bytes == 2);
  CHECK(config.limits.keys_per_request == 3);
  CHECK(config.limits.session_output_bytes == 4096);
  CHECK(config.limits.requests_in_flight == 5);
  CHECK(config.limits.link_output_bytes == 8192);
  CHECK(config.limits.streams == 0);
  CHECK(config.limits.sessions_per_address == 6);
  CHECK(config.limits.strangers == 7);
  CHECK(config.limits.worker_bytes == 8);
  CHECK(config.limits.write_bytes_per_second == 9);

  CHECK(config.log.format == LogFormat::Json);
  CHECK(config.log.level == LogLevel::Error);
  CHECK(config.login.mechanisms == std::vector<std::string>{"SCRAM-SHA-512"});
  CHECK(config.login.runners == 1);
  CHECK(config.login.queue == 2);
  CHECK(config.login.remembered == 0);
  CHECK(config.login.decoy_key.reveal() == "0123456789abcdef0123456789abcdef");
  CHECK(config.login.saslauthd.path == "/run/saslauthd/mux");
  CHECK(config.login.saslauthd.timeout == 100ms);
  CHECK(config.login.saslauthd_runners == 3);
  CHECK(config.login.throttle.failures == 1);
  CHECK(config.login.throttle.address_failures == 2);
  CHECK(config.login.throttle.half_life == 3s);
  CHECK(config.login.throttle.delay == 250ms);
  CHECK(config.login.throttle.longest_delay == 2s);

  REQUIRE(config.admin.has_value());
  CHECK(format(config.admin->address) == "0.0.0.0:9150");
  CHECK(config.admin->insecure_remote);
  CHECK(config.admin->hosts == std::vector<std::string>{"mcgate.example", "a_b-1"});

  REQUIRE(config.users.size() == 2);
  const User& user = config.users[1];
  CHECK(user.name == "größe:\"x");
  REQUIRE(user.secrets.size() == 2);
  CHECK(user.secrets[1].verifier.reveal() == "SCRAM-SHA-512$b");
  CHECK(user.secrets[1].place.line == user.place.line + 3);
  CHECK_FALSE(user.secrets[0].not_after.has_value());
  CHECK(user.secrets[1].not_after == std::chrono::sys_seconds{24h});
  CHECK_FALSE(user.secrets[0].scram);
  CHECK(user.secrets[1].scram);
  CHECK(user.secrets[1].comment == "c");
  CHECK_FALSE(user.enabled);
  CHECK(config.users[0].enabled);
  CHECK(user.networks.size() == 1);
  CHECK(user.roles == std::vector<std::string>{"web", "admin"});

  // In the file's order, not the alphabet's.
  REQUIRE(config.roles.size() == 2);
  CHECK(config.roles[0].name == "web");
  REQUIRE(config.roles[0].allow.size() == 1);
  const Grant& grant = config.roles[0].allow[0];
  CHECK(grant.commands == (CommandSet{Command::Get} | Command::Touch));
  CHECK(grant.keys == std::vector<std::string>{"a:", "b"});
  CHECK(grant.exact == std::vector<bool>{false, true});
  REQUIRE(config.roles[0].deny.size() == 1);
  CHECK(config.roles[0].deny[0].commands == mcgate::protocol::commands_of_star());
}

TEST_CASE("a grant of commands without keys is one on all keys") {
  const Config config = good(least() + "[role.a]\nallow = [{ commands = [\"stats\"] }]\n");
  const Grant& grant = config.roles.at(0).allow.at(0);
  CHECK(grant.commands == mcgate::protocol::commands_of(mcgate::protocol::Category::Stats));
  CHECK(grant.keys == std::vector<std::string>{""});
  CHECK(grant.exact == std::vector<bool>{false});
}

TEST_CASE("admin is never in *") {
  const Config config = good(least() + "[role.a]\nallow = [{ commands = [\"*\"], keys = [\"*\"] }]\n");
  const auto admin = mcgate::protocol::commands_of(mcgate::protocol::Category::Admin);
  CHECK_FALSE(config.roles.at(0).allow.at(0).commands.intersects(admin));
}

TEST_CASE("a file without what it needs is refused") {
  CHECK(problems("") ==
        "f: the top-level table needs listener: where clients connect\n"
        "f: the top-level table needs upstream: the memcached behind\n");
  CHECK(problems("listener = []\n[upstream]\n") ==
        "f:1:12: listener must be an array of 1 to 64 tables, not of 0\n"
        "f:2:1: [upstream] needs address: memcached's IP address and port, or unix:/path\n");
  CHECK(problems("[[listener]]\nmode = \"0660\"\n[upstream]\naddress = \"127.0.0.1:0\"\n") ==
        "f:1:1: [[listener]] needs address: IP address and port, or unix:/path\n"
        "f:4:11: memcached's port cannot be 0\n");
}

TEST_CASE("any number of listeners may ask for any free port") {
  CHECK(good("listener = [{ address = \"127.0.0.1:0\" }, { address = \"127.0.0.1:0\" }]\n"
             "upstream = { address = \"unix:/m\" }\n")
            .listeners.size() == 2);
}

TEST_CASE("what is not TOML is refused where it begins") {
  CHECK(problems("a = 1\na = 2\n").starts_with("f:2:"));
  CHECK(problems("[role.a]\n[role.a]\n").starts_with("f:2:1: not TOML: "));
  CHECK(problems("workers = \n").starts_with("f:1:11: not TOML: "));
  CHECK(problems("a = \"x\xff\"\n").starts_with("f:1:6: not TOML: "));
  CHECK(problems("a = \"x\0y\"\n"sv).starts_with("f:1:7: not TOML: "));
  CHECK(problems("\0"sv).starts_with("f:1:1: not TOML: "));
  CHECK(problems(std::string(10'000, '[')).starts_with("f:1:"));
  CHECK(problems("a = " + std::string(100'000, '[')).starts_with("f:1:"));
}

TEST_CASE("no problem quotes what may be a secret, if it is no TOML") {
  struct Row {
    std::string_view value;
    std::string_view said;  // at its end
  };
  for (const auto& row : {
           Row{"12345678901234567890123", "'…' is not representable in 64 bits\n"},
           Row{"1.5e123456", ""},
           Row{"0x12345678901234567890", ""},
           Row{"012345678", "leading zeroes are prohibited\n"},
           Row{"12345678z", "could not determine value type\n"},
           Row{"hunter2", ""},
           Row{"tru5678", ""},
           Row{"\"a\" 5678", "expected a comment or whitespace\n"},
           Row{"\"12345678\nname", ""},
           Row{"'''12345678", ""},
           Row{"2020-12-345678", "expected day between 1 and 31 (inclusive)\n"},
           Row{"{ 5678 = 1, 5678 = 2 }", ""},
           Row{"1\n[\"5678'5678\"]\n[\"5678'5678\"]", "cannot redefine existing table '…'\n"},
       }) {
    CAPTURE(row.value);
    const std::string all = problems(least() + "password = " + std::string{row.value} + "\n");
    CAPTURE(all);
    CHECK(all.find("not TOML: ") != std::string::npos);
    CHECK(all.ends_with(row.said));
    for (const std::string_view piece : {"5678", "hunter", "saw"})
      CHECK(all.find(piece) == std::string::npos);
  }
  CHECK(problems("workers 5\n") == "f:1:9: not TOML: Error while parsing key-value pair: expected '='\n");
}

TEST_CASE("no problem quotes what may be a secret") {
  for (const std::string_view added :
       {"[[user]]\nname = \"a\"\nsecrets = [\"hunter2\"]\n"sv,
        "[[user]]\nname = \"a\"\nsecrets = \"hunter2\"\n"sv, "[[user]]\nsecrets = [\"hunter2\n"sv,
        "[[user]]\nsecrets = hunter2\n"sv, "[[user]]\nname = \"a\"\nsecrets = [[\"hunter2\"]]\n"sv,
        "secrets = [\"SCRAM-SHA-256$hunter2\"]\n"sv}) {
    CAPTURE(added);
    const std::string all = problems(least() + std::string{added});
    CHECK(all != "none");
    CHECK(all.find("hunter2") == std::string::npos);
  }
}

TEST_CASE("no problem holds a control character") {
  for (const std::string_view added :
       {"\"a\\nb\" = 1\n"sv, "\"a\\nb\" = 1\n\"a\\nb\" = 2\n"sv, "denied_status = \"\\u001b[2J\"\n"sv,
        "[role.\"a\\u001b\"]\nx = 1\n"sv, "[role]\n\"a\\u001b\" = 1\n"sv,
        "[[user]]\nname = \"a\"\nroles = [\"\\u001b\"]\n"sv}) {
    CAPTURE(added);
    const auto config = parse(least() + std::string{added}, "f");
    REQUIRE_FALSE(config.has_value());
    for (const Problem& problem : config.error()) {
      CHECK(format(problem).find_first_of("\n\x1b") == std::string::npos);
    }
  }
}

TEST_CASE("a file that cannot be read is a problem") {
  const std::string none = "/nonexistent/mcgate.toml";
  auto config = load(none);
  REQUIRE_FALSE(config.has_value());
  CHECK(format(config.error().at(0)) == none + ": cannot be read: No such file or directory");

  config = load("/");
  REQUIRE_FALSE(config.has_value());
  CHECK(format(config.error().at(0)) == "/: cannot be read: it is a directory");

  config = load("/dev/zero");
  REQUIRE_FALSE(config.has_value());
  CHECK(format(config.error().at(0)) == "/dev/zero: cannot be read: it is no regular file");

  config = parse(std::string(kMaxFile + 1, ' '), "f");
  REQUIRE_FALSE(config.has_value());
  CHECK(format(config.error().at(0)) == "f: a configuration has 16777216 bytes at most");
}

TEST_CASE("a file is read whole") {
  std::string name = "/tmp/mcgate-config-XXXXXX";
  const int fd = ::mkstemp(name.data());
  REQUIRE(fd >= 0);
  const std::string text = least() + "#" + std::string(200'000, 'x') + "\nworkers = 7\n";
  REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(fd);
  const auto config = load(name);
  ::unlink(name.c_str());
  REQUIRE(config.has_value());
  CHECK(config->workers == 7);
  CHECK(config->file == name);
}

TEST_CASE("a listener's auth, and its anonymous users by network") {
  const std::string rest =
      "upstream = { address = \"127.0.0.1:2\" }\nuser = [{ name = \"a\" }, { name = \"b\" }]\n";
  const Config config =
      good(rest +
           "[[listener]]\naddress = \"127.0.0.1:1\"\nauth = \"observe\"\n"
           "anonymous = [{ networks = [\"10.0.0.0/8\", \"::1\"], user = \"a\" }, "
           "{ networks = [\"10.1.0.0/16\"], user = \"b\" }]\n"
           "[[listener]]\naddress = \"127.0.0.1:3\"\nauth = \"report\"\nanonymous = \"a\"\n");
  const Listener& first = config.listeners.at(0);
  CHECK(first.auth == AuthMode::Observe);
  CHECK(first.anonymous.empty());
  REQUIRE(first.anonymous_by_network.size() == 2);
  CHECK(first.anonymous_by_network[0].user == "a");
  CHECK(first.anonymous_by_network[0].networks.size() == 2);
  CHECK(first.anonymous_by_network[1].user == "b");
  CHECK(config.listeners.at(1).auth == AuthMode::Report);
  CHECK(config.listeners.at(1).anonymous == "a");
}
