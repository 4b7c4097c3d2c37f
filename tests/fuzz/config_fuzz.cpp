// Whatever stands in a configuration file: it is read without harm, each problem names the file and prints as
// one line, and what is accepted keeps the promises that the rest of mcgate relies on.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.hpp"
#include "protocol/key.hpp"

namespace {

using namespace mcgate;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const std::vector<conf::Problem>& problems) {
  require(!problems.empty());
  for (const conf::Problem& problem : problems) {
    require(problem.file == "fuzz" && !problem.message.empty());
    require((problem.place.line == 0) == (problem.place.column == 0));
    require(format(problem).find_first_of(std::string_view{"\n\r\x1b\0", 4}) == std::string::npos);
  }
}

void check(const std::vector<conf::Grant>& grants) {
  for (const conf::Grant& grant : grants) {
    require(!grant.commands.empty());
    require(!grant.keys.empty() && grant.keys.size() == grant.exact.size());
    for (std::size_t i = 0; i < grant.keys.size(); ++i) {
      require(protocol::valid_key(grant.keys[i]) || (grant.keys[i].empty() && !grant.exact[i]));
    }
  }
}

void check(const conf::Config& config) {
  require(!config.listeners.empty());
  for (const conf::Listener& listener : config.listeners) {
    require(conf::parse_address(format(listener.address)).has_value());
    require(listener.mode <= 0777);
  }
  require(config.upstream.address.is_local() || config.upstream.insecure_remote);
  require(config.limits.session_output_bytes >= config.limits.value_bytes);
  require(config.timeouts.login.count() > 0);
  for (const conf::User& user : config.users) {
    require(!user.name.empty() && user.name.size() <= 255);
    require(user.name.find_first_of(std::string_view{" \n\0", 3}) == std::string::npos);
    for (const conf::UserSecret& secret : user.secrets)
      require(secret.place.line > 0 && !secret.verifier.empty());
  }
  for (const conf::Role& role : config.roles) {
    check(role.allow);
    check(role.deny);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = conf::parse({reinterpret_cast<const char*>(data), size}, "fuzz",
                                  [](const std::string&) { return conf::Secret{}; });
  if (config) {
    check(*config);
  } else {
    check(config.error());
  }
  return 0;
}
