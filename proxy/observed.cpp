#include "proxy/observed.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "proxy/observed_names.hpp"

namespace mcgate::proxy {
namespace {

using protocol::CommandRow;

void add(Observed::Count& to, const Observed::Count& more) {
  to.requests += more.requests;
  to.refused += more.refused;
}

void note(Observed::Client& client, std::string_view right, const std::string& keys,
          const Observed::Count& one) {
  Observed::Count* count = &client.beyond;
  if (!keys.empty()) {
    std::string name{right};
    name.append(1, '\t').append(keys);
    if (const auto found = client.rights.find(name); found != client.rights.end()) {
      count = &found->second;
    } else if (client.rights.size() < Observed::kRights) {
      count = &client.rights[std::move(name)];
    }
  }
  add(*count, one);
}

void add(Observed::Sketch& to, std::string name, Observed::Client client) {
  const auto found = to.clients.find(name);
  if (found == to.clients.end()) {
    if (to.clients.size() < Observed::kClients) {
      to.clients.emplace(std::move(name), std::move(client));
    } else {
      add(to.beyond, client.all);
    }
    return;
  }
  Observed::Client& sum = found->second;
  add(sum.all, client.all);
  add(sum.beyond, client.beyond);
  for (const auto& [right, count] : client.rights) {
    const auto known = sum.rights.find(right);
    if (known == sum.rights.end() && sum.rights.size() >= Observed::kRights) {
      add(sum.beyond, count);
    } else {
      add(known == sum.rights.end() ? sum.rights[right] : known->second, count);
    }
  }
}

nlohmann::ordered_json to_object(const Observed::Count& count) {
  return {{"requests", count.requests}, {"refused", count.refused}};
}

}  // namespace

void Observed::note(std::string_view user, const auth::Peer& peer, const protocol::Request& request,
                    bool refused) {
  const Count one{.requests = 1, .refused = refused ? 1U : 0U};
  std::string name = user.empty() ? "address\t" : "user\t";
  name += user.empty() ? address_of(peer) : std::string{user};
  const std::lock_guard lock{mutex_};
  auto found = sketch_.clients.find(name);
  if (found == sketch_.clients.end()) {
    if (sketch_.clients.size() >= kClients) {
      add(sketch_.beyond, one);
      return;
    }
    found = sketch_.clients.emplace(std::move(name), Client{}).first;
  }
  Client& client = found->second;
  add(client.all, one);
  for (const CommandRow& row : protocol::all_commands()) {
    if (!request.needs.contains(row.command)) continue;
    if (request.keys.empty()) proxy::note(client, right_of(row), "-", one);
    for (const std::string_view key : request.keys) proxy::note(client, right_of(row), keys_of(key), one);
  }
}

void Observed::add_to(Sketch& sketch) const {
  std::string last;  // no client's name is empty
  for (;;) {
    std::pair<std::string, Client> next;
    {
      const std::lock_guard lock{mutex_};
      const auto found = sketch_.clients.upper_bound(last);
      if (found == sketch_.clients.end()) {
        add(sketch.beyond, sketch_.beyond);
        return;
      }
      next = *found;
    }
    last = next.first;
    add(sketch, std::move(next.first), std::move(next.second));
  }
}

std::string to_json(const Observed::Sketch& sketch) {
  nlohmann::ordered_json clients = nlohmann::ordered_json::array();
  for (const auto& [name, client] : sketch.clients) {
    const std::size_t tab = name.find('\t');
    nlohmann::ordered_json rights = nlohmann::ordered_json::array();
    for (const auto& [right, count] : client.rights) {
      const std::size_t at = right.find('\t');
      nlohmann::ordered_json object{{"right", right.substr(0, at)}};
      if (const std::string keys = right.substr(at + 1); keys != "-") object["keys"] = keys;
      object.update(to_object(count));
      rights.push_back(std::move(object));
    }
    nlohmann::ordered_json object{{name.substr(0, tab), name.substr(tab + 1)}};
    object.update(to_object(client.all));
    object["beyond"] = to_object(client.beyond);
    object["rights"] = std::move(rights);
    clients.push_back(std::move(object));
  }
  const nlohmann::ordered_json all{{"clients", std::move(clients)}, {"beyond", to_object(sketch.beyond)}};
  // A user's name may be any bytes; what is not UTF-8 is replaced.
  return all.dump(2, ' ', true, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace mcgate::proxy
