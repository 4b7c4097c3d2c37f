#include "conf/keys.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace mcgate::conf {
namespace {

using enum Type;

constexpr std::int64_t kGiB = 1'073'741'824;
constexpr std::int64_t kTiB = 1024 * kGiB;
constexpr std::int64_t kHour = 3'600'000;  // in milliseconds
constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kDay = 24 * kHour;

// clang-format off: a table
constexpr auto kRows = std::to_array<KeyRow>({
    // section                name                       type     least  most        fallback           help
    {Section::Top,            "workers",                 Integer, 0,     256,        "0",               "threads that serve clients; 0: one per core"},
    {Section::Top,            "denied_status",           Text,    1,     32,         "\"auth-error\"",  "status of a denied binary request: \"auth-error\" (0x20) or \"no-access\" (0x24)"},
    {Section::Top,            "listener",                Tables,  1,     64,         "",                "where clients connect"},
    {Section::Top,            "upstream",                Table,   0,     0,          "",                "the memcached behind"},
    {Section::Top,            "timeouts",                Table,   0,     0,          "see [timeouts]",  "how long a client may take"},
    {Section::Top,            "limits",                  Table,   0,     0,          "see [limits]",    "how much a client may take"},
    {Section::Top,            "log",                     Table,   0,     0,          "see [log]",       "what is written to stderr"},
    {Section::Top,            "login",                   Table,   0,     0,          "see [login]",     "how clients log in"},
    {Section::Top,            "admin",                   Table,   0,     0,          "none",            "where mcgate tells of itself, by HTTP"},
    {Section::Top,            "audit",                   Table,   0,     0,          "none",            "where decisions are recorded"},
    {Section::Top,            "user",                    Tables,  0,     100'000,    "none",            "who may log in"},
    {Section::Top,            "users_file",              Text,    1,     4096,       "none",            "file with more users, from this file's directory"},
    {Section::Top,            "role",                    Table,   0,     0,          "none",            "what users may do, by the role's name"},

    {Section::Listener,       "address",                 Text,    1,     128,        "",                "IP address and port, or unix:/path"},
    {Section::Listener,       "mode",                    Mode,    0,     0777,       "\"0660\"",        "permissions of a Unix socket"},
    {Section::Listener,       "networks",                Texts,   0,     10'000,     "[]",              "clients from elsewhere are closed at once; none: anyone"},
    {Section::Listener,       "proxy_protocol_from",     Texts,   0,     10'000,     "[]",              "proxies that say whom they speak for: networks, or \"unix\"; only they may connect then"},
    {Section::Listener,       "text_login",              Boolean, 0,     1,          "true",            "a set with \"user password\" as its data logs in"},
    {Section::Listener,       "insecure_passwords",      Boolean, 0,     1,          "false",           "take passwords without TLS from clients that are not local"},
    {Section::Listener,       "auth",                    Text,    1,     16,         "\"required\"",    "\"required\"; \"report\" and \"observe\" let everyone pass, and tell what would be refused"},
    {Section::Listener,       "anonymous",               TextOrTables, 1, 255,       "none",            "user whose rights clients have that do not log in; by network: see [[listener.anonymous]]"},
    {Section::Listener,       "tls",                     Table,   0,     0,          "none",            "speak TLS; without, the listener is plain"},

    {Section::ListenerTls,    "certificate",             Text,    1,     4096,       "",                "PEM file of the certificate and its chain"},
    {Section::ListenerTls,    "key",                     Text,    1,     4096,       "",                "PEM file of the private key"},
    {Section::ListenerTls,    "minimum_version",         Text,    1,     8,          "\"1.2\"",         "oldest TLS version spoken: \"1.2\" or \"1.3\""},
    {Section::ListenerTls,    "client_certificate",      Text,    1,     16,         "\"none\"",        "whether clients are asked for a certificate: \"none\", \"optional\" or \"required\""},
    {Section::ListenerTls,    "client_ca",               Text,    1,     4096,       "none",            "PEM file of the authorities that clients' certificates may come from"},
    {Section::ListenerTls,    "client_crl",              Texts,   0,     64,         "[]",              "PEM files of revocation lists; with any, each authority must have a current one"},

    {Section::ListenerAnonymous, "networks",             Texts,   1,     10'000,     "",                "of the clients it is for"},
    {Section::ListenerAnonymous, "user",                 Text,    1,     255,        "",                "user whose rights they have"},

    {Section::Upstream,       "address",                 Text,    1,     128,        "",                "memcached's IP address and port, or unix:/path"},
    {Section::Upstream,       "insecure_remote",         Boolean, 0,     1,          "false",           "permit a memcached that is not on loopback or a Unix socket"},
    {Section::Upstream,       "links",                   Integer, 1,     64,         "1",               "connections to memcached, per worker and protocol"},
    {Section::Upstream,       "connect_timeout_seconds", Seconds, 1,     kHour,      "1",               "until a connection stands"},
    {Section::Upstream,       "reply_timeout_seconds",   Seconds, 1,     kHour,      "10",              "until memcached has answered"},

    {Section::Timeouts,       "handshake_seconds",       Seconds, 1,     kHour,      "20",              "for the TLS handshake"},
    {Section::Timeouts,       "login_seconds",           Seconds, 1,     kHour,      "60",              "from the handshake's end to being logged in"},
    {Section::Timeouts,       "request_seconds",         Seconds, 1,     kHour,      "60",              "from a request's first byte to its last"},
    {Section::Timeouts,       "write_seconds",           Seconds, 1,     kHour,      "60",              "with output waiting that the client does not read"},
    {Section::Timeouts,       "idle_seconds",            Seconds, 0,     30 * kDay,  "0",               "between requests; 0: for ever"},
    {Section::Timeouts,       "drain_seconds",           Seconds, 0,     kHour,      "10",              "for what is under way when mcgate stops"},

    {Section::Limits,         "sessions",                Integer, 1,     10'000'000, "10000",           "clients connected at a time"},
    {Section::Limits,         "value_bytes",             Integer, 1,     kGiB,       "1048576",         "longest value"},
    {Section::Limits,         "keys_per_request",        Integer, 1,     1'000'000,  "10000",           "keys in one get"},
    {Section::Limits,         "session_output_bytes",    Integer, 4096,  kTiB,       "67108864",        "replies waiting for a client that does not read; no less than value_bytes"},
    {Section::Limits,         "requests_in_flight",      Integer, 1,     1'000'000,  "1024",            "requests of a session that wait for their replies"},
    {Section::Limits,         "link_output_bytes",       Integer, 4096,  kTiB,       "67108864",        "requests waiting for memcached, per connection to it; no less than value_bytes"},
    {Section::Limits,         "streams",                 Integer, 0,     10'000,     "8",               "watch and lru_crawler metadump at a time, per worker"},
    {Section::Limits,         "sessions_per_address",    Integer, 0,     10'000'000, "0",               "clients connected from one address, IPv6 /64 or Unix user; 0: as sessions"},
    {Section::Limits,         "strangers",               Integer, 0,     10'000'000, "0",               "clients connected that have not logged in; 0: as sessions"},
    {Section::Limits,         "worker_bytes",            Integer, 0,     kTiB,       "1073741824",      "requests and replies waiting in all sessions of a worker; no less than value_bytes; 0: no bound"},
    {Section::Limits,         "write_bytes_per_second",  Integer, 0,     kGiB,       "256",             "what a client must read of the output that waits for it, over write_seconds; 0: any"},

    {Section::Log,            "format",                  Text,    1,     16,         "\"logfmt\"",      "\"logfmt\" or \"json\""},
    {Section::Log,            "level",                   Text,    1,     16,         "\"info\"",        "the least that is written: \"debug\", \"info\", \"warning\" or \"error\""},

    {Section::Login,          "mechanisms",              Texts,   0,     16,         "[\"PLAIN\", \"SCRAM-SHA-256\", \"SCRAM-SHA-512\", \"SCRAM-SHA-256-PLUS\", \"SCRAM-SHA-512-PLUS\"]", "SASL mechanisms, at most these"},
    {Section::Login,          "runners",                 Integer, 1,     256,        "2",               "threads that check passwords"},
    {Section::Login,          "queue",                   Integer, 1,     1'000'000,  "1024",            "log-ins waiting for a thread"},
    {Section::Login,          "remembered",              Integer, 0,     10'000'000, "4096",            "successful password checks remembered"},
    {Section::Login,          "decoy_key",               Text,    32,    1024,       "drawn at random", "secret from which unknown users' salts are made"},
    {Section::Login,          "saslauthd",               Text,    1,     107,        "none",            "socket of the saslauthd that some users' passwords are asked of"},
    {Section::Login,          "saslauthd_timeout_seconds", Seconds, 100, kMinute,   "5",               "until saslauthd has answered"},
    {Section::Login,          "saslauthd_runners",       Integer, 1,     256,        "4",               "threads that wait for saslauthd"},
    {Section::Login,          "throttle",                Table,   0,     0,          "see [login.throttle]", "how failed log-ins slow down the next"},

    {Section::LoginThrottle,  "failures",                Integer, 1,     1'000'000,  "5",               "of one user from one address before the next is delayed"},
    {Section::LoginThrottle,  "address_failures",        Integer, 1,     1'000'000,  "100",             "of one address before its next log-in is delayed"},
    {Section::LoginThrottle,  "half_life_seconds",       Seconds, 1,     kDay,       "60",              "in which what was counted halves"},
    {Section::LoginThrottle,  "delay_seconds",           Seconds, 0,     kHour,      "0.5",             "the first delay, doubled with each failure more; 0: no delays"},
    {Section::LoginThrottle,  "longest_delay_seconds",   Seconds, 1,     kHour,      "15",              "the most that a log-in is made to wait"},

    {Section::Admin,          "address",                 Text,    1,     128,        "",                "IP address and port, or unix:/path"},
    {Section::Admin,          "mode",                    Mode,    0,     0777,       "\"0600\"",        "permissions of a Unix socket"},
    {Section::Admin,          "hosts",                   Texts,   0,     100,        "[]",              "names that it is asked by, beside IP addresses and localhost"},
    {Section::Admin,          "insecure_remote",         Boolean, 0,     1,          "false",           "permit an address that is not on loopback or a Unix socket"},

    {Section::Audit,          "file",                    Text,    1,     4096,       "",                "an absolute path, or \"stderr\""},
    {Section::Audit,          "keys",                    Text,    1,     16,         "\"prefix\"",      "how a key is written: \"full\", \"hashed\" or \"prefix\""},
    {Section::Audit,          "hash_key",                Text,    32,    1024,       "drawn at random", "secret under which keys are hashed"},
    {Section::Audit,          "group_seconds",           Seconds, 0,     kDay,       "60",              "in which what happens again is only counted; 0: each is written"},

    {Section::User,           "name",                    Text,    1,     255,        "",                "the name that the client logs in with"},
    {Section::User,           "enabled",                 Boolean, 0,     1,          "true",            "false: nobody is this user"},
    {Section::User,           "password_source",         Text,    1,     16,         "\"secrets\"",     "who knows the password: \"secrets\", or \"saslauthd\" beside them"},
    {Section::User,           "secrets",                 TextsOrTables, 0, 16,       "[]",              "verifiers, as `mcgate user passwd` writes them; any of them will do"},
    {Section::User,           "certificates",            Texts,   0,     1000,       "[]",              "names of client certificates that are this user: \"spiffe://…\", \"uri:…\", \"dns:…\", \"cn:…\""},
    {Section::User,           "unix_users",              Texts,   0,     1000,       "[]",              "names or uids whose processes are this user at a Unix socket"},
    {Section::User,           "unix_groups",             Texts,   0,     1000,       "[]",              "the same by group"},
    {Section::User,           "networks",                Texts,   0,     10'000,     "[]",              "where the user may log in from; none: anywhere"},
    {Section::User,           "roles",                   Texts,   0,     1000,       "[]",              "what the user may do"},
    {Section::User,           "namespace",               Text,    1,     100,        "none",            "put before every key, and taken off every reply"},
    {Section::User,           "limits",                  Table,   0,     0,          "as its roles have them", "how much the user may take"},
    {Section::User,           "on_denied_read",          Text,    1,     16,         "as its roles have it",   "reading what may not be read: \"error\" or \"miss\""},

    {Section::UserSecret,     "verifier",                Text,    1,     1024,       "",                "SCRAM-SHA-256$… or SCRAM-SHA-512$…"},
    {Section::UserSecret,     "not_after",               Moment,  0,     0,          "never",           "from when on it is no longer good, as 2027-01-01T00:00:00Z"},
    {Section::UserSecret,     "scram",                   Boolean, 0,     1,          "false",           "the one that SCRAM goes by, of those with its hash; else the first"},
    {Section::UserSecret,     "comment",                 Text,    1,     255,        "none",            "whatever tells the operator which it is"},

    {Section::Role,           "allow",                   Tables,  0,     10'000,     "[]",              "grants: what is allowed"},
    {Section::Role,           "deny",                    Tables,  0,     10'000,     "[]",              "grants: what is denied, whatever allows it"},
    {Section::Role,           "limits",                  Table,   0,     0,          "none",            "how much each user with the role may take"},
    {Section::Role,           "on_denied_read",          Text,    1,     16,         "\"error\"",       "reading what may not be read: \"error\" or \"miss\""},

    {Section::Grant,          "commands",                Texts,   1,     256,        "",                "categories, commands, or \"*\": all but admin"},
    {Section::Grant,          "keys",                    Texts,   1,     100'000,    "\"*\" if no command has keys", "keys, or prefixes of keys with a trailing *"},

    {Section::UserLimits,     "value_bytes",             Integer, 1,     kGiB,       "none",            "longest value"},
    {Section::UserLimits,     "ttl_seconds",             Integer, 1,     2'147'483'647, "none",         "longest time to live"},
    {Section::UserLimits,     "on_long_ttl",             Text,    1,     16,         "\"cap\"",         "a longer time to live: \"cap\" it or \"refuse\" it"},
    {Section::UserLimits,     "keys_per_request",        Integer, 1,     1'000'000,  "none",            "keys in one get"},
    {Section::UserLimits,     "requests_per_second",     Integer, 1,     1'000'000'000, "none",         "requests, on all connections together"},
    {Section::UserLimits,     "requests_burst",          Integer, 1,     1'000'000'000, "requests_per_second", "requests that may come at once"},
    {Section::UserLimits,     "bytes_per_second",        Integer, 1,     kTiB,       "none",            "bytes of requests and replies, on all connections together"},
    {Section::UserLimits,     "bytes_burst",             Integer, 1,     kTiB,       "bytes_per_second", "bytes that may pass at once"},
    {Section::UserLimits,     "connections",             Integer, 1,     10'000'000, "none",            "connections at a time"},
});
// clang-format on

constexpr bool no_key_twice() {
  for (std::size_t i = 0; i < kRows.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (kRows[i].section == kRows[j].section && kRows[i].name == kRows[j].name) return false;
    }
  }
  return true;
}
static_assert(no_key_twice());

}  // namespace

std::span<const KeyRow> all_keys() {
  return kRows;
}

const KeyRow* find_key(Section section, std::string_view name) {
  const auto* const found = std::ranges::find_if(
      kRows, [&](const KeyRow& row) { return row.section == section && row.name == name; });
  return found == kRows.end() ? nullptr : found;
}

std::string_view title(Section section) {
  switch (section) {
    case Section::Top:
      return "the top-level table";
    case Section::Listener:
      return "[[listener]]";
    case Section::ListenerTls:
      return "[listener.tls]";
    case Section::ListenerAnonymous:
      return "[[listener.anonymous]]";
    case Section::Upstream:
      return "[upstream]";
    case Section::Timeouts:
      return "[timeouts]";
    case Section::Limits:
      return "[limits]";
    case Section::Log:
      return "[log]";
    case Section::Login:
      return "[login]";
    case Section::LoginThrottle:
      return "[login.throttle]";
    case Section::Admin:
      return "[admin]";
    case Section::Audit:
      return "[audit]";
    case Section::User:
      return "[[user]]";
    case Section::UserSecret:
      return "a secret";
    case Section::Role:
      return "[role.NAME]";
    case Section::Grant:
      return "a grant";
    case Section::UserLimits:
      return "limits of a user or role";
  }
  return {};
}

}  // namespace mcgate::conf
