// What is wrong with a configuration is told in these words, at these places.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "conf/config.hpp"
#include "tests/unit/conf/configs.hpp"

using namespace mcgate::conf;
using namespace mcgate::conf::test;

TEST_CASE("each mistake is named with its place") {
  struct Row {
    std::string_view added;     // to a configuration that is right; begins in line 3
    std::string_view problems;  // all of them, without the file's name
  };
  const std::vector<Row> rows{
      {"workers = \"x\"", "3:11: workers must be an integer from 0 to 256, not a string"},
      {"workers = 1.0", "3:11: workers must be an integer from 0 to 256, not a decimal"},
      {"workers = -1", "3:11: workers must be an integer from 0 to 256, not -1"},
      {"workers = 257", "3:11: workers must be an integer from 0 to 256, not 257"},
      {"workers = 9223372036854775807",
       "3:11: workers must be an integer from 0 to 256, not 9223372036854775807"},
      {"worker = 1", "3:1: unknown key \"worker\" in the top-level table (did you mean \"workers\"?)"},
      {"role.web = 1", "3:12: role.web must be a table, [role.web]"},
      {"user = { name = \"a\" }", "3:8: user must be an array of 0 to 100000 tables, not a table"},
      {"user = [1]", "3:9: user holds tables only, not an integer"},
      {"limits = 1", "3:10: limits must be a table, not an integer"},
      {"log = 2020-01-01", "3:7: log must be a table, not a date or time"},
      {"denied_status = \"denied\"",
       "3:17: denied_status must be one of \"auth-error\", \"no-access\", not \"denied\""},
      {"denied_status = true", "3:17: denied_status must be a string of 1 to 32 bytes, not a boolean"},
      {"[log]\nlevel = \"trace\"",
       "4:9: level must be one of \"debug\", \"info\", \"warning\", \"error\", not \"trace\""},
      {"[log]\nlevel = \"INFO\"",
       "4:9: level must be one of \"debug\", \"info\", \"warning\", \"error\", not \"INFO\""},
      {"[log]\nfile = \"x\"", "4:1: unknown key \"file\" in [log]; known are format, level"},

      {"[audit]", "3:1: [audit] needs file: an absolute path, or \"stderr\""},
      {"[audit]\nfile = \"audit.log\"", "4:8: file must be an absolute path, or \"stderr\""},
      {"[audit]\nfile = \"/a\\u0000b\"",
       "4:8: file must be a string of 1 to 4096 bytes, not one that holds a NUL"},
      {"[audit]\nfile = \"stderr\"\nkeys = \"none\"",
       "5:8: keys must be one of \"full\", \"hashed\", \"prefix\", not \"none\""},
      {"[audit]\nfile = \"stderr\"\nhash_key = \"0123456789abcdef0123456789abcdef\"",
       "5:12: hash_key is for keys = \"hashed\" only"},

      {"[admin]", "3:1: [admin] needs address: IP address and port, or unix:/path"},
      {"[admin]\naddress = \"0.0.0.0:9150\"",
       "4:11: [admin] must be on loopback or a unix: address, since it asks nobody who they are; "
       "insecure_remote = true permits another"},
      {"[admin]\naddress = \"127.0.0.1:9150\"\nhosts = [\"mcgate\", \"mcgate:9150\", \"http://mcgate\"]",
       "5:20: \"mcgate:9150\" is no host's name; no port goes with it\n"
       "5:35: \"http://mcgate\" is no host's name; no port goes with it"},
      {"[admin]\naddress = \"127.0.0.1:9150\"\nmode = \"0600\"", "5:8: mode is for a unix: address only"},

      {"[timeouts]\nlogin_seconds = 0",
       "4:17: login_seconds must be a number of seconds from 0.001 to 3600, not 0"},
      {"[timeouts]\nlogin_seconds = 0.0004",
       "4:17: login_seconds must be a number of seconds from 0.001 to 3600, not 0.0004"},
      {"[timeouts]\nlogin_seconds = nan",
       "4:17: login_seconds must be a number of seconds from 0.001 to 3600, not nan"},
      {"[timeouts]\nlogin_seconds = inf",
       "4:17: login_seconds must be a number of seconds from 0.001 to 3600, not inf"},
      {"[timeouts]\nidle_seconds = -1",
       "4:16: idle_seconds must be a number of seconds from 0 to 2592000, not -1"},
      {"[timeouts]\nidle_seconds = \"1s\"",
       "4:16: idle_seconds must be a number of seconds from 0 to 2592000, not a string"},

      {"[limits]\nvalue_bytes = 1073741825",
       "4:15: value_bytes must be an integer from 1 to 1073741824, not 1073741825"},
      {"[limits]\nvalue_bytes = 10000\nsession_output_bytes = 9999",
       "5:24: session_output_bytes (9999) must be at least value_bytes (10000)"},
      {"[limits]\nworker_bytes = 1048575",
       "4:16: worker_bytes (1048575) must be at least value_bytes (1048576)"},
      {"[limits]\nlink_output_bytes = 1048575",
       "4:21: link_output_bytes (1048575) must be at least value_bytes (1048576)"},
      {"[limits]\nvalue_bytes = 100000000",
       "3:1: link_output_bytes (67108864) must be at least value_bytes (100000000)\n"
       "3:1: session_output_bytes (67108864) must be at least value_bytes (100000000)"},

      {"[login]\nmechanisms = [\"CRAM-MD5\"]",
       "4:15: unknown mechanism \"CRAM-MD5\"; known are PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, "
       "SCRAM-SHA-256-PLUS, SCRAM-SHA-512-PLUS"},
      {"[login]\nmechanisms = [\"plain\"]",
       "4:15: unknown mechanism \"plain\"; known are PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, "
       "SCRAM-SHA-256-PLUS, SCRAM-SHA-512-PLUS"},
      {"[login]\nmechanisms = [\"PLAIN\", \"PLAIN\"]",
       "4:24: mechanism \"PLAIN\" is there already, in line 4"},
      {"[login]\ndecoy_key = \"too short\"",
       "4:13: decoy_key must be a string of 32 to 1024 bytes, not of 9"},
      {"[login.throttle]\ndelay_seconds = 20", "3:1: longest_delay_seconds must be at least delay_seconds"},
      {"[login.throttle]\nlongest_delay_seconds = 60.5",
       "4:25: longest_delay_seconds (60.5) must be at most timeouts.login_seconds (60): who waits longer is "
       "closed before its turn"},
      {"[login.throttle]\nfailures = 0", "4:12: failures must be an integer from 1 to 1000000, not 0"},
      {"[login.throttle]\nfailure = 1",
       "4:1: unknown key \"failure\" in [login.throttle] (did you mean \"failures\"?)"},
      {"[login]\nsaslauthd = \"mux\"",
       "4:13: saslauthd must be the whole path of its socket, as /run/saslauthd/mux"},
      {"[login]\nsaslauthd_timeout_seconds = 0",
       "4:29: saslauthd_timeout_seconds must be a number of seconds from 0.1 to 60, not 0"},
      {"[[user]]\nname = \"a\"\npassword_source = \"pam\"",
       "5:19: password_source must be one of \"secrets\", \"saslauthd\", not \"pam\""},
      {"[[user]]\nname = \"a\"\npassword_source = \"saslauthd\"",
       "5:19: password_source: [login] does not say where saslauthd is: saslauthd = \"/run/saslauthd/mux\""},
      {"[login]\nrunners = 0", "4:11: runners must be an integer from 1 to 256, not 0"},

      {"[[user]]\nname = \"a\"\nsecrets = [1, { comment = \"x\" }, { verifier = \"hunter2\" }]",
       "5:12: secrets holds strings and tables only, not an integer\n"
       "5:15: a secret needs verifier: SCRAM-SHA-256$… or SCRAM-SHA-512$…\n"
       "5:47: a secret must be a verifier, SCRAM-SHA-256$… or SCRAM-SHA-512$…; mcgate user passwd makes one"},
      {"[[user]]\nname = \"a\"\nsecrets = [{ verifier = \"SCRAM-SHA-256$\", not_after = 2027-01-01T00:00:00 "
       "}]",
       "5:55: not_after must be a date and time with its offset, as 2027-01-01T00:00:00Z, not one without"},
      {"[[user]]\nname = \"a\"\nsecrets = [{ verifier = \"SCRAM-SHA-256$\", not_after = \"2027\" }]",
       "5:55: not_after must be a date and time with its offset, as 2027-01-01T00:00:00Z, not a string"},
      {"[[user]]", "3:1: [[user]] needs name: the name that the client logs in with"},
      {"[[user]]\nname = \"\"", "4:8: name must be a string of 1 to 255 bytes, not of 0"},
      {"[[user]]\nname = \"a b\"", "4:8: \"a b\": a user's name holds no space or control character"},
      {"[[user]]\nname = \"a\\u007f\"", "4:8: \"a\\x7f\": a user's name holds no space or control character"},
      {"[[user]]\nname = \"a\\u0000b\"",
       "4:8: name must be a string of 1 to 255 bytes, not one that holds a NUL"},
      {"[[user]]\nname = \"a\"\n[[user]]\nname = \"a\"", "6:8: user \"a\" is there already, in line 4"},
      {"[[user]]\nname = \"a\"\nroles = [\"web\"]", "5:10: there is no [role.web]"},
      {"[[user]]\nname = \"a\"\nnamespace = \"\"",
       "5:13: namespace must be a string of 1 to 100 bytes, not of 0"},
      {"[[user]]\nname = \"a\"\nnamespace = \"a b\"",
       "5:13: namespace \"a b\": no key holds a space or a control character"},
      {"[[user]]\nname = \"a\"\nnamespace = \"n:\"\n[[user]]\nname = \"b\"\nnamespace = \"n:\"\n"
       "[[user]]\nname = \"c\"\nnamespace = \"n\"\n[[user]]\nname = \"d\"\nnamespace = \"n:n:\"\n"
       "[[user]]\nname = \"e\"\nnamespace = \"n;\"\n[[user]]\nname = \"f\"\nnamespace = \"m\"",
       "5:13: namespace \"n:\" begins with that of user \"c\", \"n\" in line 11: the one's keys could be the "
       "other's; end both alike, with \":\" say\n"
       "14:13: namespace \"n:n:\" begins with that of user \"a\", \"n:\" in line 5: the one's keys could be "
       "the "
       "other's; end both alike, with \":\" say\n"
       "17:13: namespace \"n;\" begins with that of user \"c\", \"n\" in line 11: the one's keys could be "
       "the "
       "other's; end both alike, with \":\" say"},
      {"[[user]]\nname = \"a\"\nroles = \"web\"",
       "5:9: roles must be an array of 0 to 1000 strings, not a string"},
      {"[[user]]\nname = \"a\"\nsecrets = [\"hunter2\", \"scram-sha-256$\", \"SCRAM-SHA-1$\"]",
       "5:12: a secret must be a verifier, SCRAM-SHA-256$… or SCRAM-SHA-512$…; mcgate user passwd makes one\n"
       "5:23: a secret must be a verifier, SCRAM-SHA-256$… or SCRAM-SHA-512$…; mcgate user passwd makes one\n"
       "5:41: a secret must be a verifier, SCRAM-SHA-256$… or SCRAM-SHA-512$…; mcgate user passwd makes one"},
      {"[[user]]\nname = \"a\"\nnetworks = [\"10.0.0.1/8\", 3, \"x\"]",
       "5:13: \"10.0.0.1/8\" has bits set past its prefix\n"
       "5:27: networks holds strings only, not an integer\n"
       "5:30: \"x\" is not an IPv4 or IPv6 address"},

      {"[role.a]\nalow = []", "4:1: unknown key \"alow\" in [role.NAME] (did you mean \"allow\"?)"},
      {"[role.a]\nallow = [{ commands = [\"gett\"], keys = [\"*\"] }]",
       "4:24: unknown command \"gett\" (did you mean \"get\"?)"},
      {"[role.a]\nallow = [{ commands = [\"frobnicate\"], keys = [\"*\"] }]",
       "4:24: unknown command \"frobnicate\"; categories are read, write, touch, delete, stats, admin"},
      {"[role.a]\nallow = [{ commands = [\"version\"] }]",
       "4:24: version needs no grant: every identity has it, and it cannot be denied"},
      {"[role.a]\nallow = [{ commands = [\"session\"] }]",
       "4:24: unknown command \"session\"; categories are read, write, touch, delete, stats, admin"},
      {"[role.a]\nallow = [{ commands = [\"read\"] }]",
       "4:10: the grant needs keys: prefixes like \"session:*\", or \"*\" for all keys"},
      {"[role.a]\nallow = [{ commands = [\"admin\"] }]",
       "4:10: the grant needs keys: prefixes like \"session:*\", or \"*\" for all keys"},
      {"[role.a]\nallow = [{ commands = [\"*\"], keys = [] }]",
       "4:37: keys must be an array of 1 to 100000 strings, not of 0"},
      {"[role.a]\nallow = [{ commands = [], keys = [\"*\"] }]",
       "4:23: commands must be an array of 1 to 256 strings, not of 0"},
      {"[role.a]\nallow = [{ keys = [\"*\"] }]",
       "4:10: a grant needs commands: categories, commands, or \"*\": all but admin"},
      {"[role.a]\nallow = [{ commands = [\"get\"], keys = [\"a*b\", \"**\", \"*a\"] }]",
       "4:40: \"a*b\": only a trailing * is special, and no other may be there\n"
       "4:47: \"**\": only a trailing * is special, and no other may be there\n"
       "4:53: \"*a\": only a trailing * is special, and no other may be there"},
      {"[role.a]\nallow = [{ commands = [\"get\"], keys = [\"\"] }]",
       "4:40: a key has 1 byte at least; \"*\" stands for all keys"},
      {"[role.a]\nallow = [{ commands = [\"get\"], keys = [\"a b\", \"a\\n*\"] }]",
       "4:40: \"a b\": no key holds a space or a control character\n"
       "4:47: \"a\\n*\": no key holds a space or a control character"},
      {"[role.a]\nallow = [{ commands = [\"flush_all\"], keys = [\"a:*\"] }]",
       "4:24: flush_all has no keys: grant it apart, without keys"},
      {"[role.a]\nallow = [{ commands = [\"stats\"], keys = [\"a:*\"] }]",
       "4:41: none of these commands has a key, so keys cannot limit them: leave keys out"},
      {"[role.a]\nallow = [{ commands = [\"admin\"], keys = [\"adm:*\"] }]",
       "4:24: admin holds commands that have no keys, which these keys would not limit: grant it apart, with "
       "keys = [\"*\"]"},
      {"[role.a]\nallow = [{ commands = [\"*\", \"stats items\", \"me\", \"shutdown\"], keys = [\"a:*\", "
       "\"b\"] }]",
       "4:29: stats items has no keys: grant it apart, without keys\n"
       "4:50: shutdown has no keys: grant it apart, without keys"},
      {"[role.a]\ndeny = [{ commands = [\"*\", \"stats\"], keys = [\"a:*\"] }]",
       "4:28: stats holds commands that have no keys, so these keys would not deny them: deny it in a grant "
       "of its "
       "own, with keys = [\"*\"]"},
      {"[role.a]\ndeny = [{ commands = [\"get\", \"flush_all\"], keys = [\"a:*\"] }]",
       "4:30: flush_all has no keys, so these keys would not deny it: deny it in a grant of its own, with "
       "keys = "
       "[\"*\"]"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.added);
    const auto config = parse(least() + std::string{row.added}, "f");
    REQUIRE_FALSE(config.has_value());
    std::string all;
    for (const Problem& problem : config.error()) all += format(problem).substr(2) + "\n";
    CHECK(all == std::string{row.problems} + "\n");
  }
}

TEST_CASE("each mistake of a listener or the upstream is named with its place") {
  struct Row {
    std::string_view text;      // the listeners
    std::string_view problems;  // all of them, without the file's name
  };
  const std::vector<Row> rows{
      {"[[listener]]\nadress = \"127.0.0.1:1\"",
       "1:1: [[listener]] needs address: IP address and port, or unix:/path\n"
       "2:1: unknown key \"adress\" in [[listener]] (did you mean \"address\"?)"},
      {"[[listener]]\naddress = \"localhost:11211\"",
       "2:11: \"localhost:11211\" is not an address: expected \"127.0.0.1:11211\", \"[::1]:11211\" or "
       "\"unix:/path\""},
      {"[[listener]]\naddress = \"unix:run/x\"", "2:11: \"run/x\": a socket's path must begin with /"},
      {"[[listener]]\naddress = \"[::1]:1\"\n[[listener]]\naddress = \"[0::1]:1\"",
       "4:11: listener \"[::1]:1\" is there already, in line 2"},
      {"[[listener]]\naddress = \"unix:/a\"\nmode = 660",
       "3:8: mode must be permissions in octal, \"0660\" or 0o660, not the decimal 660"},
      {"[[listener]]\naddress = \"unix:/a\"\nmode = \"0888\"",
       "3:8: mode must be permissions in octal, \"0660\" or 0o660, not \"0888\""},
      {"[[listener]]\naddress = \"unix:/a\"\nmode = 0o1777",
       "3:8: mode must be permissions in octal, \"0660\" or 0o660, not 0o1777"},
      {"[[listener]]\naddress = \"unix:/a\"\nmode = \"-1\"",
       "3:8: mode must be permissions in octal, \"0660\" or 0o660, not \"-1\""},
      {"[[listener]]\naddress = \"unix:/a\"\nnetworks = [\"10.0.0.0/8\"]",
       "3:12: networks cannot limit a unix: address: use mode"},
      {"[[listener]]\naddress = \"127.0.0.1:1\"\nmode = \"0600\"", "3:8: mode is for a unix: address only"},
      {"[[listener]]\naddress = \"127.0.0.1:1\"\nanonymous = \"guest\"",
       "3:13: anonymous: no user has the name \"guest\""},
      {"[[listener]]\naddress = \"127.0.0.1:1\"\nanonymous = [{ networks = [\"10.0.0.0/8\"], user = "
       "\"guest\" }]",
       "3:50: anonymous: no user has the name \"guest\""},
      {"[[listener]]\naddress = \"127.0.0.1:1\"\nanonymous = [{ user = \"guest\" }]",
       "3:14: [[listener.anonymous]] needs networks: of the clients it is for\n"
       "3:23: anonymous: no user has the name \"guest\""},
      {"[[listener]]\naddress = \"127.0.0.1:1\"\nanonymous = [{ networks = [\"10.0.0.1\", \"10.0.0.1/32\"] "
       "}]",
       "3:14: [[listener.anonymous]] needs user: user whose rights they have\n"
       "3:40: the network \"10.0.0.1/32\" is there already"},
      {"[[listener]]\naddress = \"unix:/s\"\nanonymous = [{ networks = [\"10.0.0.1\"] }]",
       "3:13: networks cannot tell the clients of a unix: address apart\n"
       "3:14: [[listener.anonymous]] needs user: user whose rights they have"},
      {"[[listener]]\naddress = \"127.0.0.1:1\"\nanonymous = 1",
       "3:13: anonymous must be a string of 1 to 255 bytes or an array of as many tables, not an integer"},
      {"[[listener]]\naddress = \"127.0.0.1:1\"\nauth = \"off\"",
       "3:8: auth must be one of \"required\", \"report\", \"observe\", not \"off\""},
      {"[[listener]]\naddress = \"127.0.0.1:1\"\nanonymous = \"\"",
       "3:13: anonymous must be a string of 1 to 255 bytes or an array of as many tables, not of 0"},
      {"[[listener]]\naddress = \"127.0.0.1:1\"\ntext_login = 1",
       "3:14: text_login must be true or false, not an integer"},
      {"[[listener]]\naddress = \"127.0.0.1:1\"\n[listener.tls]\nkey = \"/k\"\nminimum_version = \"1.1\"",
       "3:1: [listener.tls] needs certificate: PEM file of the certificate and its chain\n"
       "5:19: minimum_version must be one of \"1.2\", \"1.3\", not \"1.1\""},
      {"[[listener]]\naddress = \"127.0.0.1:1\"\n[listener.tls]\ncertificate = \"a\\u0000b\"\nkey = \"k\"",
       "4:15: certificate must be a string of 1 to 4096 bytes, not one that holds a NUL"},
      {"[listener]\naddress = \"127.0.0.1:1\"",
       "1:1: listener must be an array of 1 to 64 tables, not a table"},
      {"[upstream]\naddress = \"127.0.0.1:2\"\nlinks = 0\n[[listener]]\naddress = \"127.0.0.1:1\"",
       "3:9: links must be an integer from 1 to 64, not 0"},
      {"[upstream]\naddress = \"10.0.0.1:2\"\n[[listener]]\naddress = \"127.0.0.1:1\"",
       "2:11: memcached must be on loopback or a unix: address, since nothing protects the way to it; "
       "insecure_remote = true permits another"},
      {"[upstream]\naddress = \"0.0.0.0:2\"\n[[listener]]\naddress = \"127.0.0.1:1\"",
       "2:11: memcached must be on loopback or a unix: address, since nothing protects the way to it; "
       "insecure_remote = true permits another"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    std::string text{row.text};
    if (text.find("[upstream]") == std::string::npos) text += "\n[upstream]\naddress = \"127.0.0.1:2\"\n";
    const auto config = parse(text, "f");
    REQUIRE_FALSE(config.has_value());
    std::string all;
    for (const Problem& problem : config.error()) all += format(problem).substr(2) + "\n";
    CHECK(all == std::string{row.problems} + "\n");
  }
}

TEST_CASE("text of others: what a terminal would obey is not shown") {
  struct Row {
    std::string_view text, shown;
  };
  for (const Row& row : {
           Row{"", ""},
           Row{"a\tb\nc\rd\x1b[2J\x7f", "a?b?c?d?[2J?"},
           Row{"\xc2\x80 \xc2\x9b"
               "2J \xc2\x9f",
               "? ?2J ?"},
           Row{"\xc2\xa0\xc2\xb5 \xc3\x9b", "\xc2\xa0\xc2\xb5 \xc3\x9b"},  // U+00A0, U+00B5, U+00DB
           Row{"\xd8\x9b\xd8\x9c\xd8\x9d", "\xd8\x9b?\xd8\x9d"},
           Row{"\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\x90", "\xe2\x80\x8d??\xe2\x80\x90"},
           Row{"\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xaa\xe2\x80\xae\xe2\x80\xaf", "\xe2\x80\xa7???\xe2\x80\xaf"},
           Row{"\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa", "\xe2\x81\xa5??\xe2\x81\xaa"},
           Row{"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},  // U+1F600, whose bytes alone would be some
           Row{"\xc2", "\xc2"},
           Row{"\xe2\x80", "\xe2\x80"},
       }) {
    CAPTURE(row.text);
    CHECK(one_line(std::string{row.text}) == row.shown);
  }
}
