#include "proxy/explain.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "conf/section_reader.hpp"
#include "protocol/key.hpp"
#include "protocol/request.hpp"
#include "proxy/decide.hpp"

namespace mcgate::proxy {
namespace {

using protocol::Command;
using protocol::CommandRow;
using protocol::CommandSet;

std::unexpected<std::string> wrong(std::string message) {
  return std::unexpected{std::move(message)};
}

// A row, and what follows its name: the flags of a meta command.
struct Named {
  const CommandRow* row;
  std::string flags;
};

std::expected<Named, std::string> named(const std::string& text) {
  if (const auto command = protocol::command_named(text)) return Named{&protocol::row(*command), {}};
  const std::size_t space = text.find(' ');
  const auto command = protocol::command_named(text.substr(0, space));
  if (command && protocol::row(*command).reply == protocol::ReplyShape::Meta)
    return Named{&protocol::row(*command), text.substr(space)};
  std::vector<std::string_view> known;
  for (const CommandRow& row : protocol::all_commands()) known.push_back(row.name);
  return wrong(fmt::format("there is no command {:?}{}; `mcgate commands` lists them", text.substr(0, 64),
                           conf::suggestion(text, known)));
}

// Such a request, as a client of the text protocol would send it.
std::string specimen(const Named& named, const std::string& key) {
  const CommandRow& row = *named.row;
  const std::string name{row.name};
  switch (row.command) {
    case Command::Gat:
    case Command::Gats:
      return name + " 0 " + key + "\r\n";
    case Command::Incr:
    case Command::Decr:
      return name + " " + key + " 1\r\n";
    case Command::Touch:
      return name + " " + key + " 0\r\n";
    case Command::Cas:
      return name + " " + key + " 0 0 0 1\r\n\r\n";
    case Command::MetaSet:
      return name + " " + key + " 0" + named.flags + "\r\n\r\n";
    default:
      return name + " " + key + (row.has_value ? " 0 0 0\r\n\r\n" : named.flags + "\r\n");
  }
}

// The request that the question is about, as the parser leaves it, so that its needs are those of a real one.
class Asked {
 public:
  static std::expected<std::unique_ptr<Asked>, std::string> parse(const Question& question) {
    const auto what = named(question.command);
    if (!what) return wrong(what.error());
    auto asked = std::make_unique<Asked>();
    const bool keyless = what->row->keys == protocol::KeyCount::None;
    if (keyless && question.key) return wrong(fmt::format("{} has no key", what->row->name));
    if (!keyless && !question.key) return wrong(fmt::format("{} needs a key: --key", what->row->name));
    if (keyless) {
      asked->request.caller.command = what->row->command;
      asked->request.needs = what->row->command;
      return asked;
    }
    if (!protocol::valid_key(*question.key))
      return wrong(
          fmt::format("a key has 1 to {} bytes and no space or control character", protocol::kMaxKey));
    asked->line_ = specimen(*what, *question.key);
    const auto result = protocol::parse_text(asked->line_, {}, asked->request);
    if (const auto* parsed = std::get_if<protocol::Parsed>(&result);
        parsed == nullptr || parsed->consumed != asked->line_.size())
      return wrong(fmt::format("{:?} is no request that could be sent", question.command));
    return asked;
  }

  protocol::Request request;

 private:
  std::string line_;  // which the request looks into
};

// One answer in the making.
class Answer {
 public:
  Answer(const conf::Config& config, const auth::Directory& directory, const Question& question)
      : config_{config}, directory_{directory}, question_{question} {}

  std::expected<Explanation, std::string> give() {
    auto asked = Asked::parse(question_);
    if (!asked) return wrong(std::move(asked.error()));
    if (auto listener = find_listener(); listener) {
      listener_ = *listener;
    } else {
      return wrong(std::move(listener.error()));
    }
    if (auto peer = parse_peer(); !peer) return wrong(std::move(peer.error()));
    auto name = who();
    if (!name) return wrong(std::move(name.error()));
    Explanation explanation = answer((*asked)->request, *name);
    if (!explanation.allowed && listener_ != nullptr && listener_->auth != conf::AuthMode::Required)
      explanation.why +=
          "; but the listener at " + at(listener_->place) + " lets everything pass: see its auth";
    return explanation;
  }

 private:
  // The user who asks; empty: nobody.
  std::expected<std::string, std::string> who() const {
    if (!question_.user.empty() && !question_.certificate.empty())
      return wrong("either a user or a certificate");
    if (!question_.user.empty()) return question_.user;
    if (!question_.certificate.empty()) {
      const auto user = directory_.by_certificate(std::span{&question_.certificate, 1});
      if (!user) return wrong(user.error());
      if (*user != nullptr) return (*user)->name;
      if (listener_ == nullptr)
        return wrong("nobody has that certificate; --listener, for those who have not");
    }
    if (listener_ == nullptr)
      return wrong("who asks? --user, or --listener for those who do not log in there");
    if (peer_) return auth::anonymous_user(*listener_, *peer_);
    if (!listener_->anonymous_by_network.empty())
      return wrong("who does not log in at this listener depends on where it is: --from");
    return listener_->anonymous;
  }

  Explanation answer(protocol::Request& request, const std::string& name) const {
    if (auto refused = judge_listener()) return *std::move(refused);
    if (name.empty()) return judge_stranger(request);
    const auto written = std::ranges::find(config_.users, name, &conf::User::name);
    const auth::User* user = directory_.find(name);
    if (user == nullptr || written == config_.users.end()) return unknown_user(name);
    if (peer_ && !auth::admits(*user, *peer_))
      return {
          false,
          fmt::format("{:?} may not come from {}: networks of {}", name, question_.from, at(written->place)),
          {"a network of that user that holds the address"}};
    return judge(request, *written, *user->policy);
  }

  std::string at(conf::Place place) const {
    return fmt::format("{}:{}:{}", config_.file_of(place), place.line, place.column);
  }

  // Null if none was asked about.
  std::expected<const conf::Listener*, std::string> find_listener() const {
    if (question_.listener.empty()) return nullptr;
    std::vector<std::string> known;
    for (const conf::Listener& listener : config_.listeners) {
      known.push_back(conf::format(listener.address));
      if (known.back() == question_.listener) return &listener;
    }
    return wrong(fmt::format("no listener has the address {:?}; there are {}", question_.listener,
                             fmt::join(known, ", ")));
  }

  std::expected<void, std::string> parse_peer() {
    if (question_.from.empty()) return {};
    peer_ = auth::Peer{};
    if (question_.from == "unix") {
      peer_->unix_socket = true;
      return {};
    }
    const auto ip = conf::parse_ip(question_.from);
    if (!ip) return wrong(ip.error());
    peer_->ip = *ip;
    return {};
  }

  std::optional<Explanation> judge_listener() const {
    if (listener_ == nullptr || !peer_ || peer_->unix_socket || conf::admits(listener_->networks, peer_->ip))
      return std::nullopt;
    return Explanation{false,
                       fmt::format("clients from {} are closed at once: networks of the listener at {}",
                                   question_.from, at(listener_->place)),
                       {"a network of that listener that holds the address"}};
  }

  Explanation judge_stranger(protocol::Request& request) const {
    const bool refused = decide(request, nullptr) == Action::RefuseUnauthenticated;
    if (!refused) return {true, "it needs no log-in", {}};
    return {
        false,
        "nobody has logged in, and the listener at " + at(listener_->place) + " has no anonymous user for it",
        {"a log-in", "or a user of few rights named by that listener's `anonymous`"}};
  }

  Explanation unknown_user(const std::string& name) const {
    std::vector<std::string_view> known;
    known.reserve(config_.users.size());
    for (const conf::User& user : config_.users) known.push_back(user.name);
    return {false,
            fmt::format("there is no user {:?}{}", name, conf::suggestion(name, known)),
            {"`mcgate user add` makes one"}};
  }

  Explanation judge(protocol::Request& request, const conf::User& user, const auth::Policy& policy) const {
    const Action action = decide(request, &policy);
    const bool refused = action == Action::RefuseDenied || action == Action::RefuseUnauthenticated ||
                         action == Action::AnswerMiss;
    if (protocol::row(request.caller.command).category == protocol::Category::Session)
      return {!refused, "every user may: it needs no grant", {}};
    const std::string_view* key = request.keys.empty() ? nullptr : request.keys.data();
    if (!request.denied_key.empty()) key = &request.denied_key;
    const auth::Policy::Reason reason =
        key != nullptr ? policy.explain(request.needs, *key) : policy.explain(request.needs);
    Explanation explanation{.allowed = !refused, .why = {}, .change = {}};
    if (!refused) {
      explanation.why = "by " + list(reason.rules);
      return explanation;
    }
    if (reason.denied) {
      explanation.why = "denied by " + list(reason.rules);
      for (const auth::Policy::Said& said : reason.rules)
        explanation.change.push_back(
            fmt::format("the denial at {} must leave this out, or {:?} must lose the role {}", at(said.place),
                        user.name, said.role));
    } else {
      explanation.why = reason.text + roles_of(user);
    }
    if (!reason.missing.empty()) suggest_grant(reason.missing, key, user, explanation.change);
    return explanation;
  }

  // "role web, mcgate.toml:12:3 and role ops, mcgate.toml:20:1"
  std::string list(const std::vector<auth::Policy::Said>& rules) const {
    std::vector<std::string> said;
    said.reserve(rules.size());
    for (const auth::Policy::Said& rule : rules)
      said.push_back(fmt::format("role {}, {}", rule.role, at(rule.place)));
    return fmt::format("{}", fmt::join(said, " and "));
  }

  std::string roles_of(const conf::User& user) const {
    if (user.roles.empty()) return fmt::format(": {:?} has no role, {}", user.name, at(user.place));
    return fmt::format(" in the roles of {:?} ({}), {}", user.name, fmt::join(user.roles, ", "),
                       at(user.place));
  }

  // The least grant that would do, and the roles that are there already and hold what is missing.
  void suggest_grant(CommandSet missing, const std::string_view* key, const conf::User& user,
                     std::vector<std::string>& change) const {
    std::vector<std::string> names;
    for (const CommandRow& row : protocol::all_commands()) {
      if (missing.contains(row.command)) names.push_back(fmt::format("{:?}", row.name));
    }
    const std::string keys = key != nullptr ? fmt::format(", keys = [{:?}]", *key) : "";
    change.push_back(fmt::format("a role of {:?} must allow {{ commands = [{}]{} }}", user.name,
                                 fmt::join(names, ", "), keys));
    for (const conf::Role& role : config_.roles) {
      if (std::ranges::find(user.roles, role.name) != user.roles.end()) continue;
      const conf::Role* const alone = &role;
      const auth::Policy policy{std::span{&alone, 1}};
      if (key != nullptr ? policy.allows(missing, *key) : policy.allows(missing))
        change.push_back(fmt::format("or {:?} must have the role {}, {}, which does", user.name, role.name,
                                     at(role.place)));
    }
  }

  const conf::Config& config_;
  const auth::Directory& directory_;
  const Question& question_;
  const conf::Listener* listener_ = nullptr;
  std::optional<auth::Peer> peer_;
};

}  // namespace

std::expected<Explanation, std::string> explain(const conf::Config& config, const auth::Directory& directory,
                                                const Question& question) {
  return Answer{config, directory, question}.give();
}

std::string format(const Explanation& explanation) {
  std::string text = (explanation.allowed ? "allowed: " : "refused: ") + explanation.why + "\n";
  if (!explanation.change.empty()) text += "what would change it:\n";
  for (const std::string& line : explanation.change) text += "  " + line + "\n";
  return text;
}

}  // namespace mcgate::proxy
