// Whose a process is by its uid or gid: the users' `unix_users` and `unix_groups`, compiled. Part of the
// Directory, and as immutable.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "auth/identity.hpp"
#include "conf/config.hpp"

namespace mcgate::auth {

class OwnerMap {
 public:
  OwnerMap() = default;
  // Asks the system for each name. A name that it does not know is a problem, and so is one uid or gid for
  // two users, and those that the kernel shows for whoever it cannot name.
  OwnerMap(const conf::Config& config, std::vector<conf::Problem>& problems);

  // The name of the user who it is; null if nobody. A uid says more than a gid, and goes first.
  const std::string* find(const UnixOwner& owner) const;

 private:
  std::unordered_map<std::uint32_t, std::string> users_;
  std::unordered_map<std::uint32_t, std::string> groups_;
};

}  // namespace mcgate::auth
