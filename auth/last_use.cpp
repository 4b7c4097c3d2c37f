#include "auth/last_use.hpp"

#include <algorithm>

namespace mcgate::auth {

void LastUse::note(std::string_view user, std::string_view secret, Time now) {
  const std::lock_guard lock{mutex_};
  times_.insert_or_assign(Key{user, secret}, now);
}

std::optional<LastUse::Time> LastUse::of(std::string_view user, std::string_view secret) const {
  const std::lock_guard lock{mutex_};
  const auto found = times_.find(Key{user, secret});
  return found == times_.end() ? std::nullopt : std::optional{found->second};
}

void LastUse::forget_all_but(const Directory& directory) {
  const std::lock_guard lock{mutex_};
  std::erase_if(times_, [&](const auto& entry) {
    const User* user = directory.find(entry.first.first);
    if (user != nullptr && entry.first.second == kSaslauthd) return !user->asks_saslauthd;
    return user == nullptr ||
           std::ranges::find(user->verifiers, entry.first.second, &UserVerifier::id) == user->verifiers.end();
  });
}

}  // namespace mcgate::auth
