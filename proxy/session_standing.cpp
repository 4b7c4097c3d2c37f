// Whether a session is still who it was found to be.
#include <algorithm>
#include <chrono>

#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {
namespace {

// Whether the secret by which `before` was proven is gone, or no longer good. Its id does not change with its
// keys, so these are compared.
bool lost_its_secret(const auth::User& before, const auth::User& now, const std::string& id) {
  if (id.empty()) return false;
  if (id == auth::kSaslauthd) return !now.asks_saslauthd;
  const auth::UserVerifier* kept = auth::live_secret(now, id, std::chrono::system_clock::now());
  const auto old = std::ranges::find(before.verifiers, id, &auth::UserVerifier::id);
  return kept == nullptr || old == before.verifiers.end() || kept->stored_key != old->stored_key;
}

}  // namespace

const auth::User* Session::find_again(const auth::Identity& identity) const {
  if (identity.proof == auth::Proof::Anonymous) {
    const auth::User* user = nobody();
    return user != nullptr && user->name == identity.user ? user : nullptr;
  }
  const auth::User* user = worker_.snapshot().directory->find(identity.user);
  if (user == nullptr || !auth::admits(*user, peer_)) return nullptr;
  if (auth::by_connecting(identity.proof)) return user;
  return auth::still_proves(*user, identity.secret, std::chrono::system_clock::now()) ? user : nullptr;
}

bool Session::can_expire() const {
  const Serving* somebody = serving();
  return somebody != nullptr &&
         std::ranges::any_of(somebody->user->verifiers, [&](const auth::UserVerifier& each) {
           return each.not_after && each.id == somebody->identity.secret;
         });
}

bool Session::has_expired() const {
  const Serving* somebody = serving();
  return somebody != nullptr && !somebody->identity.secret.empty() &&
         !auth::still_proves(*somebody->user, somebody->identity.secret, std::chrono::system_clock::now());
}

void Session::revoke() {
  audit(AuditEvent::Kind::Revoked, serving() != nullptr ? user_name() : std::string_view{}, {});
  worker_.log().info("session_revoked", {{"user", user_name()}, {"peer", auth::format(peer_)}});
  close_now(Ending::Revoked);
}

// Whether what has not gone up yet of a large get is still allowed.
bool Session::allows_rest(const auth::Policy& policy, const Windows& windows) {
  std::string_view keys = std::string_view{windows.keys}.substr(windows.next);
  while (!keys.empty()) {
    const std::size_t end = keys.find(' ');
    if (!policy.allows(windows.needs, keys.substr(0, end))) return false;
    keys.remove_prefix(end + 1);
  }
  return true;
}

void Session::on_new_snapshot() {
  if (closed_) return;
  lets_all_pass_ = listener().auth != conf::AuthMode::Required;
  // An exchange that is under way was begun with the secrets of before.
  if (auto* unidentified = std::get_if<Unidentified>(&phase_)) unidentified->exchange.reset();
  const auto* streaming = std::get_if<Streaming>(&phase_);
  Serving* somebody = serving();
  const auth::User* user = somebody != nullptr ? find_again(somebody->identity) : nullptr;
  const bool revoked = somebody != nullptr && (user == nullptr || lost_its_secret(*somebody->user, *user,
                                                                                  somebody->identity.secret));
  const bool stream_revoked = !lets_all_pass_ && streaming != nullptr && user != nullptr &&
                              !user->policy->allows(streaming->caller.command);
  // The rest of a large get would be of other keys than its beginning.
  const bool moved = user != nullptr && user->name_space != somebody->user->name_space;
  const bool get_revoked =
      windows_ && user != nullptr && (moved || (!lets_all_pass_ && !allows_rest(*user->policy, *windows_)));
  if (from_elsewhere() || revoked || !still_attested() || stream_revoked || get_revoked) {
    revoke();
  } else if (somebody != nullptr) {
    somebody->user = user;
  } else if (lets_all_pass_ && in<Unidentified>()) {
    become_nobody();
  }
}

}  // namespace mcgate::proxy
