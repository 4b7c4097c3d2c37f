#include "conf/config.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "conf/addresses.hpp"
#include "conf/audit.hpp"
#include "conf/certificates.hpp"
#include "conf/file.hpp"
#include "conf/grants.hpp"
#include "conf/listeners.hpp"
#include "conf/login.hpp"
#include "conf/names.hpp"
#include "conf/namespaces.hpp"
#include "conf/section_reader.hpp"
#include "conf/user_limits.hpp"

namespace mcgate::conf {
namespace {

// A control would forge lines of a log, and a space would end the name in a text log-in.
bool valid_name(std::string_view name) {
  return std::ranges::none_of(name, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7f;
  });
}

bool valid_host(std::string_view name) {
  constexpr std::string_view kTaken = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
  return name.size() <= 253 && name.find_first_not_of(kTaken) == name.npos;
}

Upstream read_upstream(PlacedTable table, Problems& problems) {
  SectionReader reader{table, Section::Upstream, problems};
  Upstream upstream;
  upstream.place = table.place;
  reader.boolean("insecure_remote", upstream.insecure_remote);
  reader.integer("links", upstream.links);
  reader.seconds("connect_timeout_seconds", upstream.connect_timeout);
  reader.seconds("reply_timeout_seconds", upstream.reply_timeout);
  auto address = read_address(reader, problems);
  if (!address) return upstream;
  upstream.address = std::move(*address);
  const Place place = reader.place_of("address");
  if (upstream.address.family != Address::Family::Unix && upstream.address.port == 0) {
    problems.add(place, "memcached's port cannot be 0");
  }
  if (!upstream.address.is_local() && !upstream.insecure_remote) {
    problems.add(place,
                 "memcached must be on loopback or a unix: address, since nothing protects the way to it; "
                 "insecure_remote = true permits another");
  }
  return upstream;
}

// Where login_seconds stands, or would.
Place read_timeouts(PlacedTable table, Timeouts& timeouts, Problems& problems) {
  SectionReader reader{table, Section::Timeouts, problems};
  reader.seconds("handshake_seconds", timeouts.handshake);
  reader.seconds("login_seconds", timeouts.login);
  reader.seconds("request_seconds", timeouts.request);
  reader.seconds("write_seconds", timeouts.write);
  reader.seconds("idle_seconds", timeouts.idle);
  reader.seconds("drain_seconds", timeouts.drain);
  return reader.place_of("login_seconds");
}

void read_limits(PlacedTable table, Limits& limits, Problems& problems) {
  SectionReader reader{table, Section::Limits, problems};
  reader.integer("sessions", limits.sessions);
  reader.integer("value_bytes", limits.value_bytes);
  reader.integer("keys_per_request", limits.keys_per_request);
  reader.integer("session_output_bytes", limits.session_output_bytes);
  reader.integer("requests_in_flight", limits.requests_in_flight);
  reader.integer("link_output_bytes", limits.link_output_bytes);
  reader.integer("streams", limits.streams);
  reader.integer("sessions_per_address", limits.sessions_per_address);
  reader.integer("strangers", limits.strangers);
  reader.integer("worker_bytes", limits.worker_bytes);
  reader.integer("write_bytes_per_second", limits.write_bytes_per_second);

  // Less would be a value that is allowed and can never pass.
  const auto must_hold_a_value = [&](std::string_view name, std::size_t bytes) {
    if (bytes >= limits.value_bytes) return;
    problems.add(reader.place_of(name),
                 fmt::format("{} ({}) must be at least value_bytes ({})", name, bytes, limits.value_bytes));
  };
  must_hold_a_value("session_output_bytes", limits.session_output_bytes);
  must_hold_a_value("link_output_bytes", limits.link_output_bytes);
  if (limits.worker_bytes != 0) must_hold_a_value("worker_bytes", limits.worker_bytes);
}

void read_log(PlacedTable table, Log& log, Problems& problems) {
  SectionReader reader{table, Section::Log, problems};
  reader.choice("format", log.format, {{"logfmt", LogFormat::Logfmt}, {"json", LogFormat::Json}});
  reader.choice("level", log.level,
                {{"debug", LogLevel::Debug},
                 {"info", LogLevel::Info},
                 {"warning", LogLevel::Warning},
                 {"error", LogLevel::Error}});
}

Admin read_admin(PlacedTable table, Names& addresses, Problems& problems) {
  SectionReader reader{table, Section::Admin, problems};
  Admin admin;
  reader.mode("mode", admin.mode);
  reader.boolean("insecure_remote", admin.insecure_remote);
  for (PlacedText& host : reader.texts("hosts")) {
    if (!valid_host(host.text))
      problems.add(host.place, fmt::format("{:?} is no host's name; no port goes with it", host.text));
    admin.hosts.push_back(std::move(host.text));
  }
  auto address = read_address(reader, problems);
  if (!address) return admin;
  admin.address = std::move(*address);
  const Place place = reader.place_of("address");
  const bool is_socket = admin.address.family == Address::Family::Unix;
  if (is_socket || admin.address.port != 0) addresses.add(format(admin.address), place);
  if (reader.has("mode") && !is_socket)
    problems.add(reader.place_of("mode"), "mode is for a unix: address only");
  if (!admin.address.is_local() && !admin.insecure_remote) {
    problems.add(place,
                 "[admin] must be on loopback or a unix: address, since it asks nobody who they are; "
                 "insecure_remote = true permits another");
  }
  return admin;
}

UserSecret read_secret(std::variant<PlacedText, PlacedTable>& item, Problems& problems) {
  UserSecret secret;
  std::optional<PlacedText> verifier;
  if (auto* text = std::get_if<PlacedText>(&item)) {
    verifier = std::move(*text);
  } else {
    SectionReader reader{std::get<PlacedTable>(item), Section::UserSecret, problems};
    verifier = reader.text("verifier");
    reader.moment("not_after", secret.not_after);
    reader.boolean("scram", secret.scram);
    if (auto comment = reader.text("comment")) secret.comment = std::move(comment->text);
  }
  if (!verifier) return secret;
  secret.place = verifier->place;
  secret.verifier = Secret{std::move(verifier->text)};
  // What it is instead may be a password: never quoted.
  const auto text = secret.verifier.reveal();
  if (!text.starts_with("SCRAM-SHA-256$") && !text.starts_with("SCRAM-SHA-512$")) {
    problems.add(
        secret.place,
        "a secret must be a verifier, SCRAM-SHA-256$… or SCRAM-SHA-512$…; mcgate user passwd makes one");
  }
  return secret;
}

void read_password_source(SectionReader& reader, const Login& login, User& user, Problems& problems) {
  reader.choice("password_source", user.password_source,
                {{"secrets", PasswordSource::Secrets}, {"saslauthd", PasswordSource::Saslauthd}});
  if (user.password_source == PasswordSource::Saslauthd && login.saslauthd.path.empty()) {
    problems.add(
        reader.place_of("password_source"),
        "password_source: [login] does not say where saslauthd is: saslauthd = \"/run/saslauthd/mux\"");
  }
}

User read_user(PlacedTable table, const Login& login, Names& names, const Names& roles, Problems& problems) {
  SectionReader reader{table, Section::User, problems};
  User user;
  user.place = table.place;
  if (auto name = reader.text("name")) {
    names.add(name->text, name->place);
    if (!valid_name(name->text)) {
      problems.add(name->place,
                   fmt::format("{:?}: a user's name holds no space or control character", name->text));
    }
    user.name = std::move(name->text);
  }
  reader.boolean("enabled", user.enabled);
  read_password_source(reader, login, user, problems);
  for (auto& item : reader.texts_or_tables("secrets")) user.secrets.push_back(read_secret(item, problems));
  user.certificates = read_certificate_names(reader, problems);
  user.unix_users = reader.texts("unix_users");
  user.unix_groups = reader.texts("unix_groups");
  user.networks = read_networks(reader, "networks", problems);
  for (PlacedText& role : reader.texts("roles")) {
    if (!roles.knows(role.text)) problems.add(role.place, fmt::format("there is no [role.{}]", role.text));
    user.roles.push_back(std::move(role.text));
  }
  read_namespace(reader, user, problems);
  user.limits = read_user_limits(reader, problems);
  return user;
}

void read_roles(PlacedTable table, std::vector<Role>& roles, Names& names, Problems& problems) {
  for (Member& member : *table.table) {
    names.add(member.key, member.place);
    if (auto* role = std::get_if<Members>(&member.value.data)) {
      roles.push_back(read_role(member.key, {member.value.place, role}, problems));
    } else {
      problems.add(member.value.place,
                   fmt::format("role.{} must be a table, [role.{}]", member.key, member.key));
    }
  }
}

Config read_config(Members document, Problems& problems) {
  SectionReader reader{{Place{}, &document}, Section::Top, problems};
  Config config;
  reader.integer("workers", config.workers);
  reader.choice("denied_status", config.denied_no_access, {{"auth-error", false}, {"no-access", true}});
  Place login_seconds;
  if (const auto table = reader.table("timeouts"))
    login_seconds = read_timeouts(*table, config.timeouts, problems);
  if (const auto table = reader.table("limits")) read_limits(*table, config.limits, problems);
  if (const auto table = reader.table("log")) read_log(*table, config.log, problems);
  Place longest_delay;
  if (const auto table = reader.table("login")) longest_delay = read_login(*table, config.login, problems);
  check_longest_delay(config.login.throttle, config.timeouts,
                      longest_delay.line != 0 ? longest_delay : login_seconds, problems);
  if (const auto table = reader.table("upstream")) config.upstream = read_upstream(*table, problems);

  // In this order, since users name roles, and listeners users.
  Names roles{"role", problems};
  if (const auto table = reader.table("role")) read_roles(*table, config.roles, roles, problems);
  Names users{"user", problems};
  for (const PlacedTable& table : reader.tables("user")) {
    config.users.push_back(read_user(table, config.login, users, roles, problems));
  }
  check_namespaces(config.users, problems);
  Names addresses{"listener", problems};
  for (const PlacedTable& table : reader.tables("listener")) {
    config.listeners.push_back(read_listener(table, addresses, users, problems));
  }
  if (const auto table = reader.table("admin")) config.admin = read_admin(*table, addresses, problems);
  if (const auto table = reader.table("audit")) config.audit = read_audit(*table, problems);
  return config;
}

}  // namespace

std::string format(const Problem& problem) {
  const auto [line, column] = problem.place;
  std::string text = line == 0 ? fmt::format("{}: {}", problem.file, problem.message)
                               : fmt::format("{}:{}:{}: {}", problem.file, line, column, problem.message);
  // Names of the file may be quoted in it, and a terminal is to show them, not to obey them.
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

std::expected<Config, std::vector<Problem>> parse(std::string_view text, std::string file) {
  if (text.size() > kMaxFile) {
    return std::unexpected(
        std::vector{Problem{file, {}, fmt::format("a configuration has {} bytes at most", kMaxFile)}});
  }
  auto document = read_toml(text, file);
  if (!document) return std::unexpected(std::vector{std::move(document.error())});
  Problems problems{file};
  Config config = read_config(std::move(*document), problems);
  if (!problems.empty()) return std::unexpected(problems.take());
  config.file = std::move(file);
  return config;
}

std::expected<Config, std::vector<Problem>> load(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  std::expected<Secret, std::string> text = std::unexpected(std::generic_category().message(errno));
  if (fd >= 0) {
    text = read_file(fd);
    ::close(fd);
  }
  if (!text) return std::unexpected(std::vector{Problem{file, {}, "cannot be read: " + text.error()}});
  return parse(text->reveal(), file);
}

}  // namespace mcgate::conf
