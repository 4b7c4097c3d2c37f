// Whose certificate has which name: the users' `certificates`, compiled. Part of the Directory, and as
// immutable.
#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "conf/config.hpp"

namespace mcgate::auth {

class CertificateMap {
 public:
  CertificateMap() = default;
  // Where one name could be two users', that is a problem, told of both.
  CertificateMap(const conf::Config& config, std::vector<conf::Problem>& problems);

  // The name of the user who has it; null if nobody does.
  const std::string* find(std::string_view name) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };
  using Users = std::unordered_map<std::string, std::string, Hash, std::equal_to<>>;

  Users exact_;
  Users prefixes_;
  std::set<std::size_t> lengths_;  // of prefixes_
};

}  // namespace mcgate::auth
