#include "proxy/login_attempt.hpp"

#include <utility>

namespace mcgate::proxy {

std::optional<protocol::Credentials> LoginAttempt::credentials() const {
  if (const auto* text = std::get_if<Text>(&message))
    return protocol::Credentials{text->user, text->password.reveal()};
  const auto* start = std::get_if<Start>(&message);
  if (start == nullptr || auth::proof_by(start->mechanism) != auth::Proof::Plain) return std::nullopt;
  const auto parsed = protocol::parse_plain(start->token.reveal());
  return parsed ? std::optional{*parsed} : std::nullopt;
}

bool LoginAttempt::proves() const {
  // SCRAM's last message is empty: the password was held against the one before.
  if (const auto* step = std::get_if<Step>(&message)) return !step->token.empty();
  return std::holds_alternative<Text>(message) || credentials();
}

std::string LoginAttempt::user() const {
  if (const auto given = credentials()) return std::string{given->user};
  const auto* step = std::get_if<Step>(&message);
  if (step == nullptr) return {};
  // Of PLAIN in two messages, the second has it; of SCRAM the first had.
  if (const auto parsed = protocol::parse_plain(step->token.reveal()); parsed && step->exchange->is_plain())
    return std::string{parsed->user};
  return step->exchange->claimed();
}

bool LoginAttempt::asks_saslauthd() const {
  const auth::User* known = proves() ? directory->find(user()) : nullptr;
  return known != nullptr && known->asks_saslauthd;
}

std::optional<auth::Identity> LoginAttempt::remembered(auth::Remembered& memory) const {
  const auto given = credentials();
  if (!given || !may_send_password) return std::nullopt;
  const bool is_text = std::holds_alternative<Text>(message);
  if (!is_text && !directory->offers(auth::Proof::Plain)) return std::nullopt;
  const auth::User* known = directory->find(given->user);
  if (known == nullptr || !auth::admits(*known, peer)) return std::nullopt;
  const auth::UserVerifier* proven = memory.knows(*known, given->password);
  if (proven == nullptr) return std::nullopt;
  return auth::Identity{known->name, is_text ? auth::Proof::Text : auth::Proof::Plain, proven->id};
}

LoginAttempt::Result LoginAttempt::check(auth::Remembered& memory) {
  Result result{nullptr, auth::Refused{}};
  if (auto* text = std::get_if<Text>(&message)) {
    result.outcome =
        auth::check_password(*directory, peer, text->user, text->password.reveal(), auth::Proof::Text);
  } else if (auto* start = std::get_if<Start>(&message)) {
    result.exchange = start->shown ? std::make_unique<auth::SaslExchange>(directory, peer, *start->shown)
                                   : std::make_unique<auth::SaslExchange>(
                                         directory, peer, start->mechanism,
                                         auth::Channel{may_send_password, std::move(start->channel_bindings),
                                                       start->lists_bindings});
    result.outcome = result.exchange->start(start->token.reveal());
  } else if (auto* step = std::get_if<Step>(&message)) {
    result.outcome = step->exchange->step(step->token.reveal());
    result.exchange = std::move(step->exchange);
  }
  if (const auto* granted = std::get_if<auth::Granted>(&result.outcome)) {
    const auth::User* user = directory->find(granted->identity.user);
    const auto* proven = auth::live_secret(*user, granted->identity.secret, std::chrono::system_clock::now());
    if (const auto given = credentials(); given && proven != nullptr)
      memory.remember(*user, *proven, given->password);
  }
  return result;
}

}  // namespace mcgate::proxy
