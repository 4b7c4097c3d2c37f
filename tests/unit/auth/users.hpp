// Users for tests, made without a configuration file.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/directory.hpp"
#include "auth/verifier.hpp"

namespace mcgate::auth::test {

inline std::string verifier_text(Hash hash, std::string_view password,
                                 std::uint32_t iterations = kMinIterations) {
  // Salts differ, as those of one user must.
  const auto salt = std::string{password.substr(0, 16)} + "0123456789abcdef";
  return format(make_verifier(hash, password, iterations, salt.substr(0, 16)));
}

inline conf::User user(std::string name, std::initializer_list<std::string> secrets,
                       std::initializer_list<std::string_view> networks = {}) {
  conf::User made;
  made.name = std::move(name);
  for (const auto& secret : secrets) {
    const conf::Place place{static_cast<std::uint32_t>(10 + made.secrets.size()), 3};
    auto& one = made.secrets.emplace_back();
    one.place = place;
    one.verifier = conf::Secret{std::string_view{secret}};
  }
  for (const auto network : networks) made.networks.push_back(conf::parse_network(network).value());
  return made;
}

inline std::shared_ptr<const Directory> directory(std::vector<conf::User> users) {
  conf::Config config;
  config.users = std::move(users);
  return std::make_shared<const Directory>(Directory::build(config).value());
}

inline Peer peer(std::string_view address) {
  return Peer{.unix_socket = false, .ip = conf::parse_ip(address).value(), .port = 4711};
}

}  // namespace mcgate::auth::test
