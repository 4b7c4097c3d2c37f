#include "conf/login.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <utility>

#include "conf/names.hpp"

namespace mcgate::conf {
namespace {

constexpr std::array<std::string_view, 5> kMechanisms{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512",
                                                      "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"};

void read_throttle(PlacedTable table, const Timeouts& timeouts, Throttle& throttle, Problems& problems) {
  SectionReader reader{table, Section::LoginThrottle, problems};
  reader.integer("failures", throttle.failures);
  reader.integer("address_failures", throttle.address_failures);
  reader.seconds("half_life_seconds", throttle.half_life);
  reader.seconds("delay_seconds", throttle.delay);
  reader.seconds("longest_delay_seconds", throttle.longest_delay);
  if (throttle.delay > throttle.longest_delay) {
    problems.add(reader.place_of("longest_delay_seconds"),
                 "longest_delay_seconds must be at least delay_seconds");
  }
  if (throttle.delay.count() != 0 && throttle.longest_delay > timeouts.login) {
    using Seconds = std::chrono::duration<double>;
    problems.add(
        reader.place_of("longest_delay_seconds"),
        fmt::format(
            "longest_delay_seconds ({}) must be at most timeouts.login_seconds ({}): who waits longer is "
            "closed before its turn",
            Seconds{throttle.longest_delay}.count(), Seconds{timeouts.login}.count()));
  }
}

void read_saslauthd(SectionReader& reader, Login& login, Problems& problems) {
  reader.seconds("saslauthd_timeout_seconds", login.saslauthd.timeout);
  reader.integer("saslauthd_runners", login.saslauthd_runners);
  auto path = reader.text("saslauthd");
  if (!path) return;
  if (!path->text.starts_with('/'))
    problems.add(path->place, "saslauthd must be the whole path of its socket, as /run/saslauthd/mux");
  login.saslauthd.path = std::move(path->text);
}

}  // namespace

void read_login(PlacedTable table, const Timeouts& timeouts, Login& login, Problems& problems) {
  SectionReader reader{table, Section::Login, problems};
  reader.integer("runners", login.runners);
  reader.integer("queue", login.queue);
  reader.integer("remembered", login.remembered);
  read_saslauthd(reader, login, problems);
  if (auto key = reader.text("decoy_key")) login.decoy_key = Secret{std::move(key->text)};
  if (const auto throttle = reader.table("throttle"))
    read_throttle(*throttle, timeouts, login.throttle, problems);
  if (!reader.has("mechanisms")) return;
  login.mechanisms.clear();
  Names names{"mechanism", problems};
  for (PlacedText& item : reader.texts("mechanisms")) {
    if (std::ranges::find(kMechanisms, item.text) == kMechanisms.end()) {
      problems.add(item.place, fmt::format("unknown mechanism {:?}; known are {}", item.text,
                                           fmt::join(kMechanisms, ", ")));
      continue;
    }
    names.add(item.text, item.place);
    login.mechanisms.push_back(std::move(item.text));
  }
}

}  // namespace mcgate::conf
