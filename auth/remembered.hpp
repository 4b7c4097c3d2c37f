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

  // Whether this password was proven while the user had exactly the verifiers that it has now: a verifier
  // added, changed or removed forgets what was proven by any of them. Only looks at the password: where the
  // user may log in from is the caller's to ask (admits).
  bool knows(const User& user, std::string_view password);
  // Call after a successful check.
  void remember(const User& user, std::string_view password);

 private:
  using Tag = std::string;
  Tag tag_of(const User& user, std::string_view password) const;

  const std::size_t capacity_;
  const conf::Secret key_;
  std::mutex mutex_;
  std::list<Tag> recent_;                                                // the most recently used first
  std::unordered_map<std::string_view, std::list<Tag>::iterator> tags_;  // views into recent_
};

}  // namespace mcgate::auth
