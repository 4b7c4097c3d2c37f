#include "proxy/proposal.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/toml_writer.hpp"
#include "protocol/command.hpp"

namespace mcgate::proxy {
namespace {

using Texts = std::vector<std::string>;

// What a client asked for: the rights, by keys; "" for those without.
using Wants = std::map<std::string, std::set<std::string>, std::less<>>;

Wants wants_of(const Observed::Client& client, bool in_namespace) {
  Wants wants;
  for (const auto& [right, count] : client.rights) {
    const std::size_t tab = right.find('\t');
    std::string keys = right.substr(tab + 1);
    const bool keyless = keys == "-";
    const std::string name = right.substr(0, tab);
    // Refused in a namespace whatever the roles say, but for the general statistics.
    if (keyless && in_namespace && name != protocol::name(protocol::Category::Stats)) continue;
    wants[keyless ? std::string{} : std::move(keys)].insert(name);
  }
  return wants;
}

// One grant for all keys of which the same is wanted.
std::vector<conf::GrantTexts> grants_of(const Wants& wants) {
  std::map<Texts, Texts> keys_by_rights;
  std::vector<conf::GrantTexts> grants;
  for (const auto& [keys, rights] : wants) {
    Texts commands{rights.begin(), rights.end()};
    if (keys.empty()) {
      grants.push_back({std::move(commands), {}});
    } else {
      keys_by_rights[std::move(commands)].push_back(keys);
    }
  }
  for (auto& [rights, keys] : keys_by_rights) grants.push_back({rights, std::move(keys)});
  return grants;
}

// The admin commands among them.
Texts admin_commands(const Wants& wants) {
  std::set<std::string> found;
  for (const auto& [keys, rights] : wants) {
    for (const std::string& right : rights) {
      const auto command = protocol::command_named(right);
      if (command && protocol::row(*command).category == protocol::Category::Admin) found.insert(right);
    }
  }
  return {found.begin(), found.end()};
}

// An array of strings for a comment, whose line it must not leave.
std::string on_one_line(const Texts& texts) {
  Texts quoted;
  quoted.reserve(texts.size());
  for (const std::string& each : texts) quoted.push_back(conf::to_toml(each));
  return fmt::format("[ {} ]", fmt::join(quoted, ", "));
}

class Proposal {
 public:
  Proposal(const conf::Config& config, Strangers strangers) : config_{config}, strangers_{strangers} {
    for (const conf::Role& each : config.roles) names_.insert(each.name);
    for (const conf::User& each : config.users) names_.insert(each.name);
  }

  std::string take(const Observed::Sketch& sketch) {
    say("What clients were seen to ask for, and no more: to be reviewed, and put at the end of {:?}.",
        config_.file);
    std::map<Wants, Alike> strangers;
    for (const auto& [name, client] : sketch.clients) {
      const std::size_t tab = name.find('\t');
      const std::string who = name.substr(tab + 1);
      if (name.starts_with("user\t")) {
        add_user(who, client);
      } else {
        Alike& alike = strangers[wants_of(client, false)];
        alike.addresses.push_back(who);
        alike.all.requests += client.all.requests;
        alike.all.refused += client.all.refused;
        alike.beyond += client.beyond.requests;
      }
    }
    for (const auto& [wants, alike] : strangers) add_strangers(wants, alike);
    if (sketch.clients.empty())
      say("There was nobody: do clients connect to a listener that observes or reports?");
    if (sketch.beyond.requests > 0)
      say("Of clients beyond the bound of those that are noted there were {} requests: who they are is not "
          "known, and "
          "nothing is granted for them.",
          sketch.beyond.requests);
    return std::move(out_);
  }

 private:
  // Who have not logged in and asked for the same.
  struct Alike {
    Texts addresses;
    Observed::Count all;
    std::uint64_t beyond = 0;
  };

  // A line of comment, in which no text of the sketch may stand but as {:?}, which keeps it on the line.
  template <typename... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    out_ += "# " + fmt::format(format, std::forward<Args>(args)...) + "\n";
  }

  void say_what_is_left(const Wants& wants, std::uint64_t beyond) {
    if (const Texts admin = admin_commands(wants); !admin.empty())
      say("Look twice: it asked for administrative commands, {}.", fmt::join(admin, ", "));
    if (beyond > 0)
      say("{} keys more were beyond the bound of those that are noted, or such as no grant can name: nothing "
          "is "
          "granted for them.",
          beyond);
  }

  // One that neither the configuration nor the proposal has.
  std::string free_name(const std::string& wish) {
    std::string name = wish;
    for (int i = 2; !names_.insert(name).second; ++i) name = fmt::format("{}-{}", wish, i);
    return name;
  }

  void add_user(const std::string& name, const Observed::Client& client) {
    out_ += '\n';
    const auto user = std::ranges::find(config_.users, name, &conf::User::name);
    if (user == config_.users.end()) {
      say("User {:?} is not in the configuration: left out.", name);
      return;
    }
    say("User {:?}, {}: {} requests, of which its roles do not allow {}.", name,
        conf::line_of(user->place, {}), client.all.requests, client.all.refused);
    const Wants wants = wants_of(client, !user->name_space.empty());
    say_what_is_left(wants, client.beyond.requests);
    if (wants.empty()) return;
    const std::string made = free_name("learned-" + name);
    say("In its table this role is to take the place of those that are there: roles = {}",
        on_one_line({made}));
    std::vector<conf::GrantTexts> denied;
    for (const conf::Role& role : config_.roles) {
      if (std::ranges::find(user->roles, role.name) == user->roles.end()) continue;
      for (const conf::Grant& grant : role.deny) denied.push_back(conf::texts_of(grant));
      if (role.limits != conf::UserLimits{})
        say("The limits of role {:?}, {}, are not in it: put them in the user's table.", role.name,
            conf::line_of(role.place, {}));
    }
    out_ += conf::role_block(made, grants_of(wants), denied);
  }

  void add_strangers(const Wants& wants, const Alike& alike) {
    out_ += '\n';
    say("Still anonymous, {}: {} requests, of which {} would be refused: {}", alike.addresses.size(),
        alike.all.requests, alike.all.refused, fmt::join(alike.addresses, ", "));
    say_what_is_left(wants, alike.beyond);
    if (wants.empty()) return;
    const std::string made = free_name("learned-anonymous");
    const bool needs_user = strangers_ == Strangers::GetAUser && made_users_++ < kMostUsers;
    if (needs_user) {
      say("They need no log-in with this: that they are at these addresses is all that tells who they are.");
    } else {
      say("Let them log in, each as a user of its own: `mcgate user add --role {} NAME`. Of those that "
          "cannot,",
          made);
      say("`mcgate learn --anonymous` makes a user, {} at most.", kMostUsers);
    }
    out_ += conf::role_block(made, grants_of(wants));
    if (needs_user) add_user_of(made, alike.addresses);
  }

  void add_user_of(const std::string& name, const Texts& addresses) {
    const std::string quoted = conf::to_toml(name);
    out_ += fmt::format("[[user]]\nname = {}\nroles = {}\n", quoted, conf::to_toml(Texts{name}));
    Texts networks = addresses;
    if (std::erase(networks, "unix") > 0)
      say("In the [[listener]] of the Unix socket they connect to: anonymous = {}", quoted);
    if (networks.empty()) return;
    if (is_of_last_listener()) {
      out_ +=
          fmt::format("[[listener.anonymous]]\nnetworks = {}\nuser = {}\n", conf::to_toml(networks), quoted);
    } else {
      say("In the [[listener]] they connect to: anonymous = [ {{ networks = {}, user = {} }} ]",
          on_one_line(networks), quoted);
    }
  }

  // Whether whoever was seen was seen at the listener that a [[listener.anonymous]] at the file's end would
  // be of, and it can have one.
  bool is_of_last_listener() const {
    const auto lets_pass = [](const conf::Listener& each) { return each.auth != conf::AuthMode::Required; };
    const conf::Listener& last = config_.listeners.back();
    return std::ranges::count_if(config_.listeners, lets_pass) == 1 && lets_pass(last) &&
           last.anonymous.empty() && last.anonymous_by_network.empty();
  }

  // What a listener's `anonymous` may have.
  static constexpr int kMostUsers = 255;

  const conf::Config& config_;
  const Strangers strangers_;
  int made_users_ = 0;
  std::set<std::string> names_;
  std::string out_;
};

}  // namespace

std::string propose(const Observed::Sketch& sketch, const conf::Config& config, Strangers strangers) {
  return Proposal{config, strangers}.take(sketch);
}

}  // namespace mcgate::proxy
