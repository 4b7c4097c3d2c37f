// A SASL exchange through libsasl2, fed with whatever: the first byte chooses the mechanism and whether there
// is something to bind it to, a 0xFF ends each message of the client. Nobody here knows a password, so nobody
// may ever be let in.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "auth/sasl.hpp"

namespace {

using namespace mcgate;

std::shared_ptr<const auth::Directory> make_directory() {
  conf::Config config;
  conf::User user;
  user.name = "alice";
  for (const auto hash : {auth::Hash::Sha256, auth::Hash::Sha512}) {
    user.secrets.emplace_back().verifier = conf::Secret{auth::format(auth::make_verifier(
        hash, auth::random_salt() + auth::random_salt(), auth::kMinIterations, "0123456789abcdef"))};
  }
  config.users.push_back(std::move(user));
  return std::make_shared<const auth::Directory>(auth::Directory::build(config).value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto library = auth::SaslLibrary::open();
  static const auto directory = make_directory();
  if (!library) std::abort();
  if (size == 0) return 0;
  constexpr std::string_view mechanisms[] = {"SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN", "SCRAM-SHA-256-PLUS",
                                             "SCRAM-SHA-512-PLUS"};
  auth::Channel channel{.may_send_password = true};
  if (data[0] >= 128)
    channel.bindings = {{"tls-exporter", std::string(32, 'x')}, {"tls-server-end-point", "y"}};
  std::string_view input{reinterpret_cast<const char*>(data), size};
  auth::SaslExchange exchange{directory, auth::Peer{.unix_socket = true, .ip = {}, .port = 0},
                              mechanisms[data[0] % std::size(mechanisms)], std::move(channel)};
  input.remove_prefix(1);
  bool over = false;
  for (bool first = true; first || !input.empty(); first = false) {
    const auto message = input.substr(0, input.find('\xff'));
    input.remove_prefix(std::min(message.size() + 1, input.size()));
    const auto outcome = first ? exchange.start(message) : exchange.step(message);
    if (std::holds_alternative<auth::Granted>(outcome)) std::abort();
    // Once refused, always refused.
    if (over && !std::holds_alternative<auth::Refused>(outcome)) std::abort();
    over = over || std::holds_alternative<auth::Refused>(outcome);
  }
  return 0;
}
