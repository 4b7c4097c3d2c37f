#include "conf/keys.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <sstream>
#include <string>
#include <vector>

#include "conf/config.hpp"

using namespace mcgate::conf;

namespace {

struct Default {
  Section section;
  std::string name;
  std::string value;  // as the configuration's types have it
};

std::string seconds(std::chrono::milliseconds time) {
  std::ostringstream text;
  text << static_cast<double>(time.count()) / 1000;
  return text.str();
}

std::string boolean(bool value) {
  return value ? "true" : "false";
}

std::vector<Default> defaults() {
  const Config config;
  const Listener listener;
  const Limits& limits = config.limits;
  const Timeouts& timeouts = config.timeouts;
  const Throttle& throttle = config.login.throttle;
  return {
      {Section::Top, "workers", std::to_string(config.workers)},
      {Section::Listener, "text_login", boolean(listener.text_login)},
      {Section::Listener, "insecure_passwords", boolean(listener.insecure_passwords)},
      {Section::Audit, "group_seconds", seconds(Audit{}.group)},
      {Section::Upstream, "insecure_remote", boolean(config.upstream.insecure_remote)},
      {Section::Upstream, "links", std::to_string(config.upstream.links)},
      {Section::Upstream, "connect_timeout_seconds", seconds(config.upstream.connect_timeout)},
      {Section::Upstream, "reply_timeout_seconds", seconds(config.upstream.reply_timeout)},
      {Section::Timeouts, "handshake_seconds", seconds(timeouts.handshake)},
      {Section::Timeouts, "login_seconds", seconds(timeouts.login)},
      {Section::Timeouts, "request_seconds", seconds(timeouts.request)},
      {Section::Timeouts, "write_seconds", seconds(timeouts.write)},
      {Section::Timeouts, "idle_seconds", seconds(timeouts.idle)},
      {Section::Timeouts, "drain_seconds", seconds(timeouts.drain)},
      {Section::Limits, "sessions", std::to_string(limits.sessions)},
      {Section::Limits, "value_bytes", std::to_string(limits.value_bytes)},
      {Section::Limits, "keys_per_request", std::to_string(limits.keys_per_request)},
      {Section::Limits, "session_output_bytes", std::to_string(limits.session_output_bytes)},
      {Section::Limits, "requests_in_flight", std::to_string(limits.requests_in_flight)},
      {Section::Limits, "link_output_bytes", std::to_string(limits.link_output_bytes)},
      {Section::Limits, "streams", std::to_string(limits.streams)},
      {Section::Limits, "sessions_per_address", std::to_string(limits.sessions_per_address)},
      {Section::Limits, "strangers", std::to_string(limits.strangers)},
      {Section::Limits, "worker_bytes", std::to_string(limits.worker_bytes)},
      {Section::Limits, "write_bytes_per_second", std::to_string(limits.write_bytes_per_second)},
      {Section::Admin, "insecure_remote", boolean(Admin{}.insecure_remote)},
      {Section::Login, "runners", std::to_string(config.login.runners)},
      {Section::Login, "queue", std::to_string(config.login.queue)},
      {Section::Login, "remembered", std::to_string(config.login.remembered)},
      {Section::Login, "saslauthd_runners", std::to_string(config.login.saslauthd_runners)},
      {Section::Login, "saslauthd_timeout_seconds", seconds(config.login.saslauthd.timeout)},
      {Section::User, "enabled", boolean(User{}.enabled)},
      {Section::UserSecret, "scram", boolean(UserSecret{}.scram)},
      {Section::LoginThrottle, "failures", std::to_string(throttle.failures)},
      {Section::LoginThrottle, "address_failures", std::to_string(throttle.address_failures)},
      {Section::LoginThrottle, "half_life_seconds", seconds(throttle.half_life)},
      {Section::LoginThrottle, "delay_seconds", seconds(throttle.delay)},
      {Section::LoginThrottle, "longest_delay_seconds", seconds(throttle.longest_delay)},
  };
}

}  // namespace

TEST_CASE("the table's defaults are those that hold") {
  const std::vector<Default> expected = defaults();
  for (const Default& row : expected) {
    CAPTURE(row.name);
    const KeyRow* key = find_key(row.section, row.name);
    REQUIRE(key != nullptr);
    CHECK(key->fallback == row.value);
  }
  // None is left out of the list above.
  const auto plain = std::ranges::count_if(all_keys(), [](const KeyRow& key) {
    if (key.section == Section::UserLimits) return false;  // which have none
    return key.type == Type::Integer || key.type == Type::Seconds || key.type == Type::Boolean;
  });
  CHECK(static_cast<std::size_t>(plain) == expected.size());
}

TEST_CASE("a key belongs to its section") {
  CHECK(find_key(Section::Listener, "networks") != find_key(Section::User, "networks"));
  CHECK(find_key(Section::Limits, "level") == nullptr);
  CHECK(find_key(Section::Log, "Level") == nullptr);
  CHECK(find_key(Section::Log, "") == nullptr);
}
