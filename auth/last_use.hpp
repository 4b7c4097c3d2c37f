// When each secret was last used to log in, so that an operator sees when an old one may go. Outlives the
// configurations: a reload forgets the secrets that are gone. Any thread.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "auth/directory.hpp"

namespace mcgate::auth {

class LastUse {
 public:
  using Time = std::chrono::system_clock::time_point;

  // `secret` is the id of one of the user's verifiers, or kSaslauthd, so that there are no more entries than
  // those.
  void note(std::string_view user, std::string_view secret, Time now);
  // None since the start.
  std::optional<Time> of(std::string_view user, std::string_view secret) const;
  void forget_all_but(const Directory& directory);

 private:
  using Key = std::pair<std::string, std::string>;
  mutable std::mutex mutex_;
  std::map<Key, Time> times_;
};

}  // namespace mcgate::auth
