// The configuration: one TOML file, parsed once into types. Whoever needs a part of it receives that part
// by const reference. Loaded by the control thread; immutable afterwards.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "conf/network.hpp"
#include "conf/secret.hpp"
#include "protocol/command.hpp"

namespace mcgate::conf {

// Where something stands, line and column from 1; 0 if it stands nowhere.
struct Place {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  bool in_users_file = false;  // else in the configuration's own

  friend bool operator==(const Place& a, const Place& b) = default;
  // The configuration comes first.
  friend auto operator<=>(const Place& a, const Place& b) {
    return std::tie(a.in_users_file, a.line, a.column) <=> std::tie(b.in_users_file, b.line, b.column);
  }
};

// "line 7", with which file's it is where that is not the one that `here` is in.
std::string line_of(const Place& there, const Place& here);

struct PlacedText {
  Place place;
  std::string text;
};

// One thing that is wrong with a configuration.
struct Problem {
  std::string file;
  Place place;
  std::string message;  // what is wrong, what was expected, what to do
};
// "file:line:column: message", as compilers say it, on one_line().
std::string format(const Problem& problem);
// Text that others chose, without control characters: a terminal is to show it, not to obey it.
std::string one_line(std::string text);

// "127.0.0.1:11211", "[::1]:11211" or "unix:/path". Names are not resolved.
struct Address {
  enum class Family : std::uint8_t { Ipv4, Ipv6, Unix };
  Family family = Family::Ipv4;
  std::string host;        // the address or the socket's path
  std::uint16_t port = 0;  // 0: any free one (listeners only)
  bool is_local() const;   // loopback or Unix socket
};
std::expected<Address, std::string> parse_address(std::string_view text);
std::string format(const Address& address);

// Whether a listener asks its clients for a certificate, and takes those that have none.
enum class ClientCertificate : std::uint8_t { None, Optional, Required };

struct Tls {
  std::string certificate;   // PEM, chain included
  std::string key;           // PEM
  bool require_1_3 = false;  // minimum_version = "1.3" (else "1.2")
  ClientCertificate client_certificate = ClientCertificate::None;
  std::string client_ca;                // PEM; there if certificates are asked for
  std::vector<std::string> client_crl;  // PEM; if any is there, all of a chain is checked for revocation
};

// What becomes of a request that is to be refused. A migration goes through them from the last to the first:
// observe is for when there is no policy yet, report for when there is one to be tried.
enum class AuthMode : std::uint8_t {
  Required,  // it is
  Report,    // it is not, but logged
  Observe,   // it is not
};

// Those networks' clients that do not log in, and the user whose rights they have.
struct Anonymous {
  std::vector<Network> networks;
  std::string user;
};

struct Listener {
  Place place;
  Address address;
  std::uint32_t mode = 0660;  // of a Unix socket
  std::optional<Tls> tls;
  std::vector<Network> networks;    // clients from elsewhere are closed at once; empty: anyone
  std::vector<Network> proxies;     // each of whose connections begins with a PROXY header
  bool unix_proxies = false;        // the same for all that come through a Unix socket
  bool text_login = true;           // `set` + "user password" logs in
  bool insecure_passwords = false;  // take passwords without TLS from clients that are not local
  AuthMode auth = AuthMode::Required;
  std::string anonymous;                        // user whose rights those who do not log in have; empty: none
  std::vector<Anonymous> anonymous_by_network;  // the same by where they are; no network is there twice

  // Nobody but proxies connects to it.
  bool is_for_proxies() const { return unix_proxies || !proxies.empty(); }
};

struct Upstream {
  Place place;
  Address address;
  bool insecure_remote = false;
  std::uint32_t links = 1;  // per worker and dialect
  std::chrono::milliseconds connect_timeout{1000};
  std::chrono::milliseconds reply_timeout{10'000};
};

struct Timeouts {
  std::chrono::milliseconds handshake{20'000};
  std::chrono::milliseconds login{60'000};    // from the handshake's end to being logged in
  std::chrono::milliseconds request{60'000};  // from a request's first byte to its last
  std::chrono::milliseconds write{60'000};    // with output waiting that the client does not read
  std::chrono::milliseconds idle{0};          // 0: for ever
  std::chrono::milliseconds drain{10'000};
};

// Bounds, in bytes or as counts.
struct Limits {
  std::size_t sessions = 10'000;
  std::size_t value_bytes = 1'048'576;
  std::size_t keys_per_request = 10'000;
  std::size_t session_output_bytes = 67'108'864;  // replies waiting for a client that does not read
  std::size_t requests_in_flight = 1024;          // per session
  std::size_t link_output_bytes = 67'108'864;     // requests waiting for memcached, per link
  std::size_t streams = 8;                        // watch, lru_crawler metadump; per worker
  std::size_t sessions_per_address = 0;           // 0: as sessions
  std::size_t strangers = 0;                      // who have not logged in; 0: as sessions
  std::size_t worker_bytes = 1'073'741'824;       // waiting in all sessions of a worker; 0: no bound
  std::size_t write_bytes_per_second = 256;       // the least that a client reads of what waits for it
};

enum class LogFormat : std::uint8_t { Logfmt, Json };
enum class LogLevel : std::uint8_t { Debug, Info, Warning, Error };
struct Log {
  LogFormat format = LogFormat::Logfmt;
  LogLevel level = LogLevel::Info;
};

// How a key stands in the audit trail: whole, as a keyed hash, or as much as says whose it is.
enum class AuditKeys : std::uint8_t { Full, Hashed, Prefix };

// Where decisions are recorded.
struct Audit {
  Place place;
  std::string file;  // an absolute path; empty: stderr
  AuditKeys keys = AuditKeys::Prefix;
  Secret hash_key;                          // of hashed keys; empty: drawn at random
  std::chrono::milliseconds group{60'000};  // in which what happens again is only counted; 0: never
};

// How failed log-ins slow down those that follow.
struct Throttle {
  std::uint32_t failures = 5;                       // of one user from one address, before there is a delay
  std::uint32_t address_failures = 100;             // of one address, whoever it says it is
  std::chrono::milliseconds half_life{60'000};      // of the counts
  std::chrono::milliseconds delay{500};             // at first; doubles with each failure. 0: never any
  std::chrono::milliseconds longest_delay{15'000};  // and the most that anyone is made to wait
};

// Where saslauthd is asked, and how long its answer is waited for.
struct Saslauthd {
  std::string path;  // of its socket; empty: none
  std::chrono::milliseconds timeout{5000};
};

struct Login {
  std::vector<std::string> mechanisms{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "SCRAM-SHA-256-PLUS",
                                      "SCRAM-SHA-512-PLUS"};  // at most these
  std::uint32_t runners = 2;                                  // threads
  std::uint32_t queue = 1024;                                 // log-ins waiting for one
  std::uint32_t remembered = 4096;                            // PLAIN checks remembered
  Secret decoy_key;  // of what unknown users are shown; empty: drawn at random
  Saslauthd saslauthd;
  std::uint32_t saslauthd_runners = 4;  // threads that wait for its answers
  Throttle throttle;
};

// Where mcgate answers about itself by HTTP.
struct Admin {
  Address address;
  std::uint32_t mode = 0600;  // of a Unix socket
  bool insecure_remote = false;
  std::vector<std::string> hosts;  // what it is called by, beside its addresses and localhost
};

// What a grant allows or denies: every command in `commands` on every key that begins with one of `keys`.
struct Grant {
  Place place;
  protocol::CommandSet commands;
  protocol::CommandSet named;  // those of them that are there by their names or categories', not by `*` alone
  std::vector<std::string> keys;  // literal prefixes, the `*` taken off; exact keys have `exact` set. A
                                  // grant of commands without keys that names none has "", as "*" would
  std::vector<bool> exact;        // parallel to keys: written without a trailing `*`
};

// So much of something in a second, and so much at once.
struct Rate {
  std::uint64_t per_second = 1;
  std::uint64_t burst = 1;
  friend bool operator==(const Rate&, const Rate&) = default;
};

// What becomes of a time to live that is too long, and of reading what may not be read: the stricter first.
enum class LongTtl : std::uint8_t { Refuse, Cap };
enum class DeniedRead : std::uint8_t { Error, Miss };

// What one user may take, or one who has a role; what is not said is not limited.
struct UserLimits {
  std::optional<std::size_t> value_bytes;
  std::optional<std::size_t> keys_per_request;
  std::optional<std::size_t> connections;
  std::optional<std::uint32_t> ttl_seconds;
  std::optional<LongTtl> on_long_ttl;  // Cap if not said
  std::optional<Rate> requests;
  std::optional<Rate> bytes;                 // of requests and replies
  std::optional<DeniedRead> on_denied_read;  // Error if not said
  friend bool operator==(const UserLimits&, const UserLimits&) = default;
};

struct Role {
  Place place;
  std::string name;
  std::vector<Grant> allow;
  std::vector<Grant> deny;
  UserLimits limits = {};
};

// One of a certificate's names, "uri:…", "dns:…" or "cn:…", or what such a name begins with.
struct CertificateName {
  Place place;
  std::string name;
  bool is_prefix = false;  // written with a trailing `*`
};

// One of a user's secrets.
struct UserSecret {
  Place place;
  Secret verifier;                                    // as text; parsed by auth
  std::optional<std::chrono::sys_seconds> not_after;  // from then on it is no longer good
  bool scram = false;  // the one that SCRAM goes by, of those with its hash; else the first
  std::string comment;
};

// Who knows a user's password: its secrets alone, or saslauthd beside them.
enum class PasswordSource : std::uint8_t { Secrets, Saslauthd };

struct User {
  Place place;
  std::string name;
  bool enabled = true;
  PasswordSource password_source = PasswordSource::Secrets;
  std::vector<UserSecret> secrets;
  std::vector<CertificateName> certificates;  // whoever shows one of these is the user
  std::vector<PlacedText> unix_users;   // whose processes are the user, at a Unix socket; names or numbers
  std::vector<PlacedText> unix_groups;  // the same by group
  std::vector<Network> networks;        // may log in from; empty: anywhere
  std::vector<std::string> roles;
  std::string name_space;  // put before each of its keys; empty: none
  Place namespace_place;
  UserLimits limits = {};

  bool has_password() const { return !secrets.empty() || password_source != PasswordSource::Secrets; }
};

struct Config {
  std::string file;
  std::string users_file;  // its path; empty: none
  std::vector<Listener> listeners;
  Upstream upstream;
  std::uint32_t workers = 0;      // 0: one per core
  bool denied_no_access = false;  // denied_status = "no-access": binary refusals say 0x24 instead of 0x20
  Timeouts timeouts;
  Limits limits;
  Log log;
  Login login;
  std::optional<Admin> admin;
  std::optional<Audit> audit;
  std::vector<User> users;
  std::vector<Role> roles;

  const std::string& file_of(Place place) const { return place.in_users_file ? users_file : file; }
};

// Reads a file whole; the error is the system's, without a name.
using FileReader = std::function<std::expected<Secret, std::string>(const std::string& path)>;

// Parses and checks a configuration; every problem found, in the file's order, or the whole of it. Its
// users_file is read by `read`; without, naming one is a problem.
std::expected<Config, std::vector<Problem>> parse(std::string_view text, std::string file,
                                                  const FileReader& read = {});
// The same from a file; a file that cannot be read is a problem too.
std::expected<Config, std::vector<Problem>> load(const std::string& file);
// The same with `read` for the files' texts, some of which are not yet what they are to become.
std::expected<Config, std::vector<Problem>> load(const std::string& file, const FileReader& read);

}  // namespace mcgate::conf
