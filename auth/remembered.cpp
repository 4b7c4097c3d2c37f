#include "auth/remembered.hpp"

#include <cstdint>

#include "auth/digest.hpp"

namespace mcgate::auth {
namespace {

// Each part behind its length, so that no two lists of parts read alike.
void append(std::string& out, std::string_view part) {
  const std::uint64_t size = part.size();
  for (unsigned shift = 0; shift < 64; shift += 8) out += static_cast<char>(size >> shift & 0xff);
  out += part;
}

}  // namespace

Remembered::Remembered(std::size_t capacity) : capacity_{capacity}, key_{random_bytes(32)} {}

const UserVerifier* Remembered::knows(const User& user, std::string_view password,
                                      std::chrono::system_clock::time_point now) {
  if (capacity_ == 0) return nullptr;
  for (const UserVerifier& verifier : user.verifiers) {
    if (!verifier.is_live(now)) continue;
    const auto tag = tag_of(user, verifier, password);
    const std::lock_guard lock{mutex_};
    const auto found = tags_.find(tag);
    if (found == tags_.end()) continue;
    recent_.splice(recent_.begin(), recent_, found->second);
    return &verifier;
  }
  return nullptr;
}

void Remembered::remember(const User& user, const UserVerifier& verifier, std::string_view password) {
  if (capacity_ == 0) return;
  auto tag = tag_of(user, verifier, password);
  const std::lock_guard lock{mutex_};
  if (const auto found = tags_.find(tag); found != tags_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    return;
  }
  if (recent_.size() >= capacity_) {
    tags_.erase(recent_.back());
    recent_.pop_back();
  }
  recent_.push_front(std::move(tag));
  tags_.emplace(recent_.front(), recent_.begin());
}

Remembered::Tag Remembered::tag_of(const User& user, const Verifier& verifier,
                                   std::string_view password) const {
  std::string message;
  // In one piece, so that growing leaves no copies behind.
  message.reserve(user.name.size() + password.size() + verifier.salt.size() + 512);
  append(message, mechanism(verifier.hash));
  append(message, std::to_string(verifier.iterations));
  append(message, verifier.salt);
  append(message, verifier.stored_key.reveal());
  append(message, verifier.server_key.reveal());
  append(message, user.name);
  append(message, password);
  const conf::Secret whole{std::move(message)};
  return std::string{hmac(Hash::Sha256, key_.reveal(), whole.reveal()).reveal()};
}

}  // namespace mcgate::auth
