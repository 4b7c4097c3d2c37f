// Password checks that succeeded, remembered, so that a client that connects per page does not pay the key
// derivation each time. Holds HMACs under a key drawn at start, never passwords. Any thread.
#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "auth/directory.hpp"
#include "conf/secret.hpp"

namespace mcgate::auth {

class Remembered {
 public:
  explicit Remembered(std::size_t capacity);  // the least recently used is forgotten

  // Whether this password was proven against one of the verifiers that this user has now.
  bool knows(const User& user, std::string_view password);
  // Call after a successful check.
  void remember(const User& user, std::string_view password);
};

}  // namespace mcgate::auth
