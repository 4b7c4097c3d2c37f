// The audit trail's lines and groups; that it holds nobody up is for the end-to-end test.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "proxy/audit_event.hpp"
#include "proxy/audit_file.hpp"
#include "proxy/audit_groups.hpp"

using namespace mcgate;
using namespace mcgate::proxy;
using namespace std::chrono_literals;
using Kind = AuditEvent::Kind;

namespace {

const AuditKeyForm kFull{conf::AuditKeys::Full, {}};
constexpr AuditGroups::Time kStart{1000s};

AuditEvent denied(std::string user, std::string key) {
  return {.kind = Kind::Denied,
          .at = std::chrono::system_clock::time_point{1'700'000'000s},
          .user = std::move(user),
          .peer = auth::Peer{.unix_socket = true},
          .command = protocol::Command::Get,
          .key = std::move(key)};
}

}  // namespace

TEST_CASE("no byte of a key, a name or a reason forges a line or a field, or another key") {
  std::set<std::string> keys;
  for (int byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    const std::string hostile{'a', static_cast<char>(byte), 'b'};
    AuditEvent event = denied(hostile, hostile);
    event.reason = hostile;
    const std::string line = compose(event, kFull);
    REQUIRE(line.back() == '\n');
    CHECK(std::all_of(line.begin(), line.end() - 1, [](char c) { return c >= 0x20 && c < 0x7f; }));
    const auto json = nlohmann::json::parse(line);
    CHECK(json.size() == 7);
    keys.insert(json.contains("key") ? json["key"] : json["key_hex"]);
  }
  CHECK(keys.size() == 256);
}

TEST_CASE("a line is short, whatever it tells of") {
  AuditEvent event = denied(std::string(255, '\xff'), std::string(250, '\0'));
  event.reason = std::string(100'000, '\n');
  CHECK(compose(event, kFull).size() < 6000);
}

TEST_CASE("keys are written as configured") {
  const conf::Secret secret{std::string(32, 'k')};
  const struct {
    conf::AuditKeys form;
    std::string key, field, value;
  } rows[] = {
      {conf::AuditKeys::Full, "user:1", "key", "user:1"},
      {conf::AuditKeys::Full, "u\xff", "key_hex", "75ff"},
      {conf::AuditKeys::Prefix, "user:1", "key_prefix", "user:"},
      {conf::AuditKeys::Prefix, "u\n:1", "key_prefix_hex", "750a3a"},
      {conf::AuditKeys::Prefix, std::string(100, 'x'), "key_prefix", std::string(32, 'x')},
  };
  for (const auto& row : rows) {
    CAPTURE(row.key);
    const auto written = AuditKeyForm{row.form, {}}(row.key);
    CHECK(written.field == row.field);
    CHECK(written.value == row.value);
  }
  // printf user:1 | openssl dgst -sha256 -hmac kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk
  const AuditKeyForm hashed{conf::AuditKeys::Hashed, secret};
  CHECK(hashed("user:1").field == "key_hmac");
  CHECK(hashed("user:1").value == "a50d816b4c0a80eb98a1ce69320a6308");
  const AuditKeyForm drawn{conf::AuditKeys::Hashed, {}}, other{conf::AuditKeys::Hashed, {}};
  CHECK(drawn("user:1").value == drawn("user:1").value);
  CHECK(drawn("user:1").value != other("user:1").value);
}

TEST_CASE("the first is written at once, those like it once the interval is over") {
  AuditGroups groups{60s, kFull};
  CHECK(groups.add(denied("a", "k"), kStart).size() == 1);
  for (int i = 1; i <= 3; ++i) {
    AuditEvent again = denied("a", "k");
    again.at += std::chrono::seconds{i};
    again.peer->port = static_cast<std::uint16_t>(i);
    CHECK(groups.add(again, kStart + std::chrono::seconds{i}).empty());
  }
  CHECK(groups.add(denied("a", "other"), kStart + 10s).size() == 1);
  CHECK(groups.take_due(kStart + 60s - 1ms).empty());
  CHECK(groups.next_due() == kStart + 60s);
  const auto lines = groups.take_due(kStart + 60s);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].events == 3);
  const auto json = nlohmann::json::parse(lines[0].text);
  CHECK(json["count"] == 3);
  CHECK(json["first"] == "2023-11-14T22:13:21.000Z");
  CHECK(json["last"] == "2023-11-14T22:13:23.000Z");
  CHECK(groups.take_due(kStart + 70s).empty());  // of one alone there is no more to say
  CHECK(groups.size() == 0);
  CHECK(groups.next_due() == AuditGroups::Time::max());
  CHECK(groups.add(denied("a", "k"), kStart + 71s).size() == 1);
}

TEST_CASE("without an interval each is written") {
  AuditGroups groups{0s, kFull};
  for (int i = 0; i < 3; ++i) CHECK(groups.add(denied("a", "k"), kStart).size() == 1);
  CHECK(groups.size() == 0);
}

TEST_CASE("one user's many keys are bounded, counted, and hide nobody else's") {
  AuditGroups groups{60s, kFull};
  std::size_t lines = 0;
  constexpr std::size_t kEvents = 100'000;
  for (std::size_t i = 0; i < kEvents; ++i)
    lines += groups.add(denied("a", std::to_string(i)), kStart).size();
  CHECK(lines == AuditGroups::kOfOneUser + 1);
  CHECK(groups.size() == lines);
  const auto other = groups.add(denied("b", "k"), kStart);
  REQUIRE(other.size() == 1);
  CHECK(nlohmann::json::parse(other[0].text)["key"] == "k");
  const auto rest = groups.take_all();
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].events == kEvents - lines);
  const auto json = nlohmann::json::parse(rest[0].text);
  CHECK(json["various"] == true);
  CHECK_FALSE(json.contains("key"));
  CHECK_FALSE(json.contains("address"));
}

TEST_CASE("where a user logs in is not buried under what it was refused") {
  AuditGroups groups{60s, kFull};
  for (std::size_t i = 0; i < 2 * AuditGroups::kOfOneUser; ++i)
    groups.add(denied("a", std::to_string(i)), kStart);
  const auto login =
      groups.add({.kind = Kind::Login, .user = "a", .peer = auth::Peer{.unix_socket = true}}, kStart);
  REQUIRE(login.size() == 1);
  CHECK(nlohmann::json::parse(login[0].text)["address"] == "unix");
}

TEST_CASE("very many users are bounded, too") {
  AuditGroups groups{60s, kFull};
  for (int i = 0; i < 50'000; ++i) groups.add(denied(std::to_string(i), "k"), kStart);
  CHECK(groups.size() == AuditGroups::kAll);
  groups.take_all();
  CHECK(groups.size() == 0);
}

TEST_CASE("a line after one that was cut off begins anew") {
  std::string path = "/tmp/mcgate-audit-XXXXXX";
  const int fd = ::mkstemp(path.data());
  REQUIRE(fd >= 0);
  REQUIRE(::write(fd, "{\"cut", 5) == 5);
  const Log log{{}};
  auto file = AuditFile::open(path, log);
  REQUIRE(file.has_value());
  CHECK(file->write("{}\n"));
  CHECK(file->write("{}\n"));
  std::string text(100, '\0');
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  ::close(fd);
  ::unlink(path.c_str());
  CHECK(text.substr(0, static_cast<std::size_t>(size)) == "{\"cut\n{}\n{}\n");
}
