#include "proxy/decide.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace mcgate;
using protocol::Category;
using protocol::Command;
using protocol::CommandSet;
using protocol::Dialect;
using proxy::Action;
using proxy::decide;

namespace {

auth::Policy policy_of(const std::vector<conf::Grant>& allow, const std::vector<conf::Grant>& deny = {}) {
  conf::Role role;
  role.name = "r";
  role.allow = allow;
  role.deny = deny;
  const conf::Role* const roles[] = {&role};
  return auth::Policy{roles};
}

conf::Grant grant(CommandSet commands, std::string prefix) {
  conf::Grant grant;
  grant.commands = commands;
  grant.keys = {std::move(prefix)};
  grant.exact = {false};
  return grant;
}

// A request as a parser would leave it, with what this command must have.
void fill(protocol::Request& request, const protocol::CommandRow& row, Dialect dialect) {
  request.caller.command = row.command;
  request.caller.dialect = dialect;
  request.needs = row.command;
  request.keys.clear();
  if (row.keys != protocol::KeyCount::None) request.keys.emplace_back("key");
}

bool in_dialect(const protocol::CommandRow& row, Dialect dialect) {
  return dialect == Dialect::Binary ? row.since_binary.has_value() : row.since_text.has_value();
}

bool is_refusal(Action action) {
  return action == Action::RefuseDenied || action == Action::RefuseUnauthenticated;
}

}  // namespace

TEST_CASE("every command, in every dialect, is refused to nobody but those that lead to a log-in") {
  protocol::Request request;
  for (const protocol::CommandRow& row : protocol::all_commands()) {
    for (const Dialect dialect : {Dialect::Text, Dialect::Meta, Dialect::Binary}) {
      if (!in_dialect(row, dialect)) continue;
      CAPTURE(row.name);
      CAPTURE(static_cast<int>(dialect));
      fill(request, row, dialect);
      const Action action = decide(request, nullptr);
      switch (row.command) {
        case Command::Quit:
          CHECK(action == Action::Quit);
          break;
        case Command::SaslList:
          CHECK(action == Action::ListMechanisms);
          break;
        case Command::SaslAuth:
          CHECK(action == Action::LogInSasl);
          break;
        case Command::SaslStep:
          CHECK(action == Action::StepSasl);
          break;
        case Command::Version:
          CHECK(action ==
                (dialect == Dialect::Binary ? Action::AnswerVersion : Action::RefuseUnauthenticated));
          break;
        default:
          CHECK(action == Action::RefuseUnauthenticated);
      }
    }
  }
}

TEST_CASE("every command is refused to a user without grants, but what needs an identity only") {
  const auth::Policy nothing = policy_of({});
  protocol::Request request;
  for (const protocol::CommandRow& row : protocol::all_commands()) {
    CAPTURE(row.name);
    fill(request, row, Dialect::Text);
    CHECK(is_refusal(decide(request, &nothing)) == (row.category != Category::Session));
  }
}

TEST_CASE("a star grants every command but the administrative, which must be named") {
  const auth::Policy star = policy_of({grant(protocol::commands_of_star(), "")});
  const auth::Policy admin = policy_of({grant(protocol::commands_of(Category::Admin), "")});
  protocol::Request request;
  for (const protocol::CommandRow& row : protocol::all_commands()) {
    CAPTURE(row.name);
    if (row.category == Category::Session) continue;
    fill(request, row, Dialect::Text);
    CHECK(is_refusal(decide(request, &star)) == (row.category == Category::Admin));
    CHECK(is_refusal(decide(request, &admin)) == (row.category != Category::Admin));
  }
}

TEST_CASE("one denied key refuses the whole request") {
  const auth::Policy policy =
      policy_of({grant(protocol::commands_of(Category::Read), "a:")}, {grant(Command::Get, "a:secret")});
  protocol::Request request;
  fill(request, protocol::row(Command::Get), Dialect::Text);
  struct Row {
    std::vector<std::string_view> keys;
    Action action;
  };
  const Row rows[] = {
      {{"a:1", "a:2", "a:3"}, Action::Forward},
      {{"a:1", "b:2", "a:3"}, Action::RefuseDenied},
      {{"a:1", "a:2", "a:secret"}, Action::RefuseDenied},
      {{"a:secrets", "a:1"}, Action::RefuseDenied},
      {{"b"}, Action::RefuseDenied},
  };
  for (const Row& row : rows) {
    CAPTURE(row.keys.front());
    request.keys = row.keys;
    CHECK(decide(request, &policy) == row.action);
  }
}

TEST_CASE("all that a request stands for must be granted") {
  const auth::Policy reader = policy_of({grant(protocol::commands_of(Category::Read), "")});
  protocol::Request request;
  fill(request, protocol::row(Command::Gat), Dialect::Text);
  request.needs = CommandSet{Command::Gat} | Command::Touch;
  CHECK(decide(request, &reader) == Action::RefuseDenied);
}

TEST_CASE("a request whose keys do not fit its command is refused") {
  const auth::Policy all = policy_of({grant(protocol::commands_of_star(), "")});
  protocol::Request request;
  fill(request, protocol::row(Command::Get), Dialect::Text);
  request.keys.clear();
  CHECK(decide(request, &all) == Action::RefuseDenied);
  fill(request, protocol::row(Command::Stats), Dialect::Text);
  request.keys.emplace_back("key");
  CHECK(decide(request, &all) == Action::RefuseDenied);
  fill(request, protocol::row(Command::Get), Dialect::Text);
  request.needs = {};
  CHECK(decide(request, &all) == Action::RefuseDenied);
}

TEST_CASE("what lists stored keys has a link of its own") {
  const auth::Policy admin = policy_of({grant(protocol::commands_of(Category::Admin), "")});
  protocol::Request request;
  for (const Command command : {Command::LruCrawlerDump, Command::Watch, Command::StatsCachedump,
                                Command::StatsDetail, Command::StatsConns, Command::StatsSizes}) {
    fill(request, protocol::row(command), Dialect::Text);
    CAPTURE(protocol::row(command).name);
    CHECK(decide(request, &admin) == Action::Stream);
  }
}
