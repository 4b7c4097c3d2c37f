#include <string>

#include "auth/digest.hpp"
#include "auth/sasl.hpp"
#include "auth/saslauthd.hpp"

namespace mcgate::auth {
namespace {

// Spends what is missing to the price of the dearest failure.
void spend_rest(const Work& dearest, Work spent, std::string_view password) {
  for (const Hash hash : {Hash::Sha256, Hash::Sha512}) {
    Work all = dearest;
    const auto rest = of(all, hash) - of(spent, hash);
    if (rest > 0) pbkdf2(hash, password, "sixteen bytes...", rest);
  }
}

// After none of its own verifiers has matched; `has_guessed` if one was tried, which counts whatever
// saslauthd would say.
Outcome ask_other_source(const Directory& directory, const User& user, std::string_view password, Proof proof,
                         bool has_guessed) {
  if (const auto why = why_not_asked(password); !why.empty()) return Refused{std::string{why}, user.name};
  const auto answer = ask_saslauthd(directory.saslauthd(), user.name, password);
  if (!answer) {
    return Refused{"saslauthd cannot be asked: " + answer.error(), user.name, !has_guessed};
  }
  if (*answer) return Granted{Identity{user.name, proof, std::string{kSaslauthd}}};
  return Refused{"wrong password, says saslauthd", user.name};
}

}  // namespace

Outcome check_password(const Directory& directory, const Peer& peer, std::string_view name,
                       std::string_view password, Proof proof, std::chrono::system_clock::time_point now) {
  if (password.empty()) return Refused{"empty password", std::string{name}};
  if (password.contains('\0')) return Refused{"password with a NUL", std::string{name}};
  const User* user = directory.find(name);
  Work spent{};
  if (user != nullptr && admits(*user, peer)) {
    for (const UserVerifier& verifier : user->verifiers) {
      if (!verifier.is_live(now)) continue;
      if (matches(verifier, password)) return Granted{Identity{user->name, proof, verifier.id}};
      of(spent, verifier.hash) += verifier.iterations;
    }
  }
  spend_rest(directory.dearest(), spent, password);
  if (user != nullptr && user->asks_saslauthd && admits(*user, peer))
    return ask_other_source(directory, *user, password, proof, spent != Work{});
  if (user == nullptr) return Refused{"unknown user", std::string{name}};
  return Refused{std::string{why_refused(*user, peer, now)}, user->name};
}

}  // namespace mcgate::auth
