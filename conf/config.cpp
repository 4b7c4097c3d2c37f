#include "conf/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "conf/addresses.hpp"
#include "conf/audit.hpp"
#include "conf/file.hpp"
#include "conf/grants.hpp"
#include "conf/listeners.hpp"
#include "conf/login.hpp"
#include "conf/names.hpp"
#include "conf/namespaces.hpp"
#include "conf/section_reader.hpp"
#include "conf/users.hpp"

namespace mcgate::conf {
namespace {

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

void read_timeouts(PlacedTable table, Timeouts& timeouts, Problems& problems) {
  SectionReader reader{table, Section::Timeouts, problems};
  reader.seconds("handshake_seconds", timeouts.handshake);
  reader.seconds("login_seconds", timeouts.login);
  reader.seconds("request_seconds", timeouts.request);
  reader.seconds("write_seconds", timeouts.write);
  reader.seconds("idle_seconds", timeouts.idle);
  reader.seconds("drain_seconds", timeouts.drain);
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

Config read_config(Members document, const std::string& file, const FileReader& read, Problems& problems) {
  SectionReader reader{{Place{}, &document}, Section::Top, problems};
  Config config;
  reader.integer("workers", config.workers);
  reader.choice("denied_status", config.denied_no_access, {{"auth-error", false}, {"no-access", true}});
  if (const auto table = reader.table("timeouts")) read_timeouts(*table, config.timeouts, problems);
  if (const auto table = reader.table("limits")) read_limits(*table, config.limits, problems);
  if (const auto table = reader.table("log")) read_log(*table, config.log, problems);
  Throttle& throttle = config.login.throttle;
  throttle.longest_delay = std::min(throttle.longest_delay, config.timeouts.login);
  if (const auto table = reader.table("login")) read_login(*table, config.timeouts, config.login, problems);
  if (const auto table = reader.table("upstream")) config.upstream = read_upstream(*table, problems);

  // In this order, since users name roles, and listeners users.
  Names roles{"role", problems};
  if (const auto table = reader.table("role")) read_roles(*table, config.roles, roles, problems);
  UserReader users{config, roles, problems};
  users.read(reader);
  if (const auto named = reader.text("users_file")) users.read_file(*named, file, read);
  check_namespaces(config.users, problems);
  Names addresses{"listener", problems};
  for (const PlacedTable& table : reader.tables("listener")) {
    config.listeners.push_back(read_listener(table, addresses, users.names(), problems));
  }
  if (const auto table = reader.table("admin")) config.admin = read_admin(*table, addresses, problems);
  if (const auto table = reader.table("audit")) config.audit = read_audit(*table, problems);
  return config;
}

// What a terminal obeys beyond ASCII, in UTF-8: of each row, the last byte is one of these.
struct Controls {
  std::string_view begin;
  unsigned char first, last;
};
constexpr std::array kControls{
    Controls{"\xc2", 0x80, 0x9f},      // U+0080 to U+009F: CSI and others
    Controls{"\xd8", 0x9c, 0x9c},      // U+061C: this and the following change the direction of writing
    Controls{"\xe2\x80", 0x8e, 0x8f},  // U+200E, U+200F
    Controls{"\xe2\x80", 0xa8, 0xae},  // U+2028, U+2029, which end a line or paragraph; U+202A to U+202E
    Controls{"\xe2\x81", 0xa6, 0xa9},  // U+2066 to U+2069
};

// Bytes of the control character that the text, which is not empty, begins with; 0 if with none.
std::size_t control_size(std::string_view text) {
  const auto byte = [text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
  for (const auto& [begin, first, last] : kControls) {
    const std::size_t at = begin.size();
    if (text.starts_with(begin) && text.size() > at && byte(at) >= first && byte(at) <= last) return at + 1;
  }
  return 0;
}

}  // namespace

std::string line_of(const Place& there, const Place& here) {
  std::string_view file;
  if (there.in_users_file != here.in_users_file)
    file = there.in_users_file ? " of the users file" : " of the configuration";
  return fmt::format("line {}{}", there.line, file);
}

std::string format(const Problem& problem) {
  const std::uint32_t line = problem.place.line;
  const std::uint32_t column = problem.place.column;
  // Names of the file may be quoted in it.
  return one_line(line == 0 ? fmt::format("{}: {}", problem.file, problem.message)
                            : fmt::format("{}:{}:{}: {}", problem.file, line, column, problem.message));
}

std::string one_line(std::string text) {
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = control_size(std::string_view{text}.substr(at));
    text[end++] = size == 0 ? text[at] : '?';
    at += std::max<std::size_t>(size, 1);
  }
  text.resize(end);
  return text;
}

std::expected<Config, std::vector<Problem>> parse(std::string_view text, std::string file,
                                                  const FileReader& read) {
  if (text.size() > kMaxFile) {
    return std::unexpected(
        std::vector{Problem{file, {}, fmt::format("a configuration has {} bytes at most", kMaxFile)}});
  }
  auto document = read_toml(text, file);
  if (!document) return std::unexpected(std::vector{std::move(document.error())});
  Problems problems{file};
  Config config = read_config(std::move(*document), file, read, problems);
  if (!problems.empty()) return std::unexpected(problems.take());
  config.file = std::move(file);
  return config;
}

std::expected<Config, std::vector<Problem>> load(const std::string& file) {
  return load(file, read_path);
}

std::expected<Config, std::vector<Problem>> load(const std::string& file, const FileReader& read) {
  const auto text = read(file);
  if (!text) return std::unexpected(std::vector{Problem{file, {}, "cannot be read: " + text.error()}});
  return parse(text->reveal(), file, read);
}

}  // namespace mcgate::conf
