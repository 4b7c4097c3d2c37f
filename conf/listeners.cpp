#include "conf/listeners.hpp"

#include <fmt/format.h>

#include <string>
#include <unordered_set>
#include <utility>

#include "conf/addresses.hpp"
#include "conf/certificates.hpp"

namespace mcgate::conf {
namespace {

// The address is read first.
void read_proxies(SectionReader& reader, Listener& listener, Problems& problems) {
  const bool is_socket = listener.address.family == Address::Family::Unix;
  for (const PlacedText& item : reader.texts("proxy_protocol_from")) {
    if (is_socket && item.text == "unix") {
      listener.unix_proxies = true;
    } else if (is_socket) {
      problems.add(item.place, "all that come through a Unix socket come from \"unix\", and from no network");
    } else if (const auto network = parse_network(item.text)) {
      listener.proxies.push_back(*network);
    } else {
      problems.add(item.place, network.error());
    }
  }
}

Tls read_tls(PlacedTable table, Problems& problems) {
  SectionReader reader{table, Section::ListenerTls, problems};
  Tls tls;
  if (auto certificate = reader.text("certificate")) tls.certificate = std::move(certificate->text);
  if (auto key = reader.text("key")) tls.key = std::move(key->text);
  reader.choice("minimum_version", tls.require_1_3, {{"1.2", false}, {"1.3", true}});
  read_client_certificates(reader, tls, problems);
  return tls;
}

void read_anonymous(SectionReader& listener_reader, const Names& users, Listener& listener,
                    Problems& problems) {
  const auto check = [&](const PlacedText& user) {
    if (!users.knows(user.text))
      problems.add(user.place, fmt::format("anonymous: no user has the name {:?}", user.text));
  };
  if (!listener_reader.is_array("anonymous")) {
    if (auto user = listener_reader.text("anonymous")) {
      check(*user);
      listener.anonymous = std::move(user->text);
    }
    return;
  }
  if (listener.address.family == Address::Family::Unix && !listener.is_for_proxies())
    problems.add(listener_reader.place_of("anonymous"),
                 "networks cannot tell the clients of a unix: address apart");
  std::unordered_set<std::string> seen;
  for (const PlacedTable& table : listener_reader.tables("anonymous")) {
    SectionReader reader{table, Section::ListenerAnonymous, problems};
    Anonymous made;
    for (const PlacedText& item : reader.texts("networks")) {
      if (const auto network = parse_network(item.text)) {
        if (!seen.insert(fmt::format("{}/{}", format(network->base), network->prefix_bits)).second)
          problems.add(item.place, fmt::format("the network {:?} is there already", item.text));
        made.networks.push_back(*network);
      } else {
        problems.add(item.place, network.error());
      }
    }
    if (auto user = reader.text("user")) {
      check(*user);
      made.user = std::move(user->text);
    }
    listener.anonymous_by_network.push_back(std::move(made));
  }
}

}  // namespace

Listener read_listener(PlacedTable table, Names& addresses, const Names& users, Problems& problems) {
  SectionReader reader{table, Section::Listener, problems};
  Listener listener;
  listener.place = table.place;
  bool is_socket = false;
  if (auto address = read_address(reader, problems)) {
    listener.address = std::move(*address);
    is_socket = listener.address.family == Address::Family::Unix;
    // Any number of listeners may ask for any free port.
    if (is_socket || listener.address.port != 0)
      addresses.add(format(listener.address), reader.place_of("address"));
    if (reader.has("mode") && !is_socket) {
      problems.add(reader.place_of("mode"), "mode is for a unix: address only");
    }
  }
  reader.mode("mode", listener.mode);
  read_proxies(reader, listener, problems);
  if (reader.has("networks") && is_socket && !listener.is_for_proxies()) {
    problems.add(reader.place_of("networks"), "networks cannot limit a unix: address: use mode");
  }
  listener.networks = read_networks(reader, "networks", problems);
  reader.boolean("text_login", listener.text_login);
  reader.boolean("insecure_passwords", listener.insecure_passwords);
  reader.choice(
      "auth", listener.auth,
      {{"required", AuthMode::Required}, {"report", AuthMode::Report}, {"observe", AuthMode::Observe}});
  read_anonymous(reader, users, listener, problems);
  if (const auto tls = reader.table("tls")) listener.tls = read_tls(*tls, problems);
  return listener;
}

}  // namespace mcgate::conf
