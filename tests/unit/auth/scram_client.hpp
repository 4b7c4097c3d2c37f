// A SCRAM client (RFC 5802) that can also be told to misbehave: every message it would send may be changed
// before it is proven or sent.
#pragma once

#include <string>
#include <string_view>

#include "auth/digest.hpp"
#include "protocol/base64.hpp"

namespace mcgate::auth::test {

struct ScramClient {
  Hash hash = Hash::Sha256;
  std::string user;
  std::string password;
  std::string gs2 = "n,,";
  std::string nonce = "rOprNGfwEbeRWgbNEkqO";

  std::string first_bare() const { return "n=" + user + ",r=" + nonce; }
  std::string first() const { return gs2 + first_bare(); }

  // The value of an attribute ("r=") of a server's message.
  static std::string attribute(std::string_view message, std::string_view name) {
    const auto at = message.starts_with(name) ? 0 : message.find("," + std::string{name}) + 1;
    const auto from = at + name.size();
    return std::string{message.substr(from, message.find(',', from) - from)};
  }

  std::string final_message(const std::string& server_first) const {
    return final_message(server_first, attribute(server_first, "r="));
  }
  std::string final_message(const std::string& server_first, const std::string& nonce_sent) const {
    std::string without_proof = "c=";
    protocol::encode_base64(gs2, without_proof);
    without_proof += ",r=" + nonce_sent;
    const auto salted = salted_password(server_first);
    const auto client_key = hmac(hash, salted.reveal(), "Client Key");
    const auto stored_key = digest(hash, client_key.reveal());
    const auto message = first_bare() + "," + server_first + "," + without_proof;
    std::string proof{hmac(hash, stored_key.reveal(), message).reveal()};
    for (std::size_t i = 0; i < proof.size(); ++i)
      proof[i] = static_cast<char>(proof[i] ^ client_key.reveal()[i]);
    auto out = without_proof + ",p=";
    protocol::encode_base64(proof, out);
    return out;
  }

  // What the server must answer to final_message().
  std::string server_final(const std::string& server_first) const {
    std::string without_proof = "c=";
    protocol::encode_base64(gs2, without_proof);
    without_proof += ",r=" + attribute(server_first, "r=");
    const auto server_key = hmac(hash, salted_password(server_first).reveal(), "Server Key");
    const auto message = first_bare() + "," + server_first + "," + without_proof;
    std::string out = "v=";
    protocol::encode_base64(hmac(hash, server_key.reveal(), message).reveal(), out);
    return out;
  }

 private:
  conf::Secret salted_password(const std::string& server_first) const {
    std::string salt;
    protocol::decode_base64(attribute(server_first, "s="), salt);
    const auto iterations = static_cast<std::uint32_t>(std::stoul(attribute(server_first, "i=")));
    return pbkdf2(hash, password, salt, iterations);
  }
};

}  // namespace mcgate::auth::test
