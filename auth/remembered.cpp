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

bool Remembered::knows(const User& user, std::string_view password) {
  if (capacity_ == 0 || user.verifiers.empty()) return false;
  const auto tag = tag_of(user, password);
  const std::lock_guard lock{mutex_};
  const auto found = tags_.find(tag);
  if (found == tags_.end()) return false;
  recent_.splice(recent_.begin(), recent_, found->second);
  return true;
}

void Remembered::remember(const User& user, std::string_view password) {
  if (capacity_ == 0 || user.verifiers.empty()) return;
  auto tag = tag_of(user, password);
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

Remembered::Tag Remembered::tag_of(const User& user, std::string_view password) const {
  std::size_t size = 4096;  // one piece for all but absurd users, so that growing leaves no copies behind
  std::string message;
  for (const auto& verifier : user.verifiers) size += verifier.salt.size() + 256;
  message.reserve(size + user.name.size() + password.size());
  for (const auto& verifier : user.verifiers) {
    append(message, mechanism(verifier.hash));
    append(message, std::to_string(verifier.iterations));
    append(message, verifier.salt);
    append(message, verifier.stored_key.reveal());
    append(message, verifier.server_key.reveal());
  }
  append(message, user.name);
  append(message, password);
  const conf::Secret whole{std::move(message)};
  return std::string{hmac(Hash::Sha256, key_.reveal(), whole.reveal()).reveal()};
}

}  // namespace mcgate::auth
