// Password checks that succeeded, remembered, so that a client that connects per page does not pay the key
// derivation each time. Holds HMACs under a key drawn at start, never passwords. Any thread.
#pragma once

#include <chrono>
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

  // The verifier of the user's, good now, by which this password was proven before; null if none. What was
  // proven is forgotten with its verifier alone. Only looks at the password: whether the user may log in from
  // there is the caller's to ask (admits).
  const UserVerifier* knows(const User& user, std::string_view password,
                            std::chrono::system_clock::time_point now = std::chrono::system_clock::now());
  // Call after a successful check, with the verifier that proved it.
  void remember(const User& user, const UserVerifier& verifier, std::string_view password);

 private:
  using Tag = std::string;
  Tag tag_of(const User& user, const Verifier& verifier, std::string_view password) const;

  const std::size_t capacity_;
  const conf::Secret key_;
  std::mutex mutex_;
  std::list<Tag> recent_;                                                // the most recently used first
  std::unordered_map<std::string_view, std::list<Tag>::iterator> tags_;  // views into recent_
};

}  // namespace mcgate::auth
