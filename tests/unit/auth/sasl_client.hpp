// libsasl2's own client, as libmemcached uses it, against an exchange.
#pragma once

#include <doctest/doctest.h>
#include <sasl/sasl.h>

#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "auth/sasl.hpp"
#include "tests/unit/auth/sasl_fixture.hpp"

namespace mcgate::auth::test {

// sasl_client_init() comes first, sasl_client_done() last.
class SaslClient {
 public:
  SaslClient(std::string user, const std::string& password) : user_{std::move(user)} {
    secret_.resize(sizeof(sasl_secret_t) + password.size());
    auto* secret = reinterpret_cast<sasl_secret_t*>(secret_.data());
    secret->len = password.size();
    std::memcpy(secret->data, password.data(), password.size());
    callbacks_ = {sasl_callback_t{SASL_CB_USER, as_callback(get_simple), this},
                  sasl_callback_t{SASL_CB_AUTHNAME, as_callback(get_simple), this},
                  sasl_callback_t{SASL_CB_PASS, as_callback(get_secret), this},
                  sasl_callback_t{SASL_CB_LIST_END, nullptr, nullptr}};
    REQUIRE(sasl_client_new("memcached", "localhost", nullptr, nullptr, callbacks_.data(), 0, &connection_) ==
            SASL_OK);
  }
  ~SaslClient() { sasl_dispose(&connection_); }
  SaslClient(const SaslClient&) = delete;
  SaslClient& operator=(const SaslClient&) = delete;

  // Before log_in(): libsasl2 then binds where -PLUS is among the mechanisms, and only there.
  void can_bind_to(const ChannelBinding& binding) {
    bound_to_ = binding;
    binding_ = {.name = bound_to_.type,
                .critical = 0,
                .len = bound_to_.data.size(),
                .data = reinterpret_cast<const unsigned char*>(bound_to_.data.data())};
    REQUIRE(sasl_setprop(connection_, SASL_CHANNEL_BINDING, &binding_) == SASL_OK);
  }

  Outcome log_in(const std::string& mechanisms, Channel channel = {.may_send_password = true}) {
    const char* out = nullptr;
    unsigned size = 0;
    const char* chosen = nullptr;
    int result = sasl_client_start(connection_, mechanisms.c_str(), nullptr, &out, &size, &chosen);
    if (result != SASL_OK && result != SASL_CONTINUE) return Refused{"client"};
    mechanism = chosen;
    first_message.assign(out, size);
    SaslExchange one{users(), test::peer("192.0.2.1"), chosen, std::move(channel)};
    auto outcome = one.start(first_message);
    while (std::holds_alternative<Challenge>(outcome)) {
      const auto bytes = challenge(outcome);
      result = sasl_client_step(connection_, bytes.data(), static_cast<unsigned>(bytes.size()), nullptr, &out,
                                &size);
      if (result != SASL_OK && result != SASL_CONTINUE) return Refused{"client"};
      outcome = one.step({out, size});
    }
    return outcome;
  }

  std::string mechanism;
  std::string first_message;

 private:
  template <typename Function>
  static int (*as_callback(Function* function))() {
    return reinterpret_cast<int (*)()>(reinterpret_cast<void (*)()>(function));
  }
  static int get_simple(void* self, int, const char** result, unsigned* size) {
    const auto& user = static_cast<SaslClient*>(self)->user_;
    *result = user.c_str();
    if (size != nullptr) *size = static_cast<unsigned>(user.size());
    return SASL_OK;
  }
  static int get_secret(sasl_conn_t*, void* self, int, sasl_secret_t** secret) {
    *secret = reinterpret_cast<sasl_secret_t*>(static_cast<SaslClient*>(self)->secret_.data());
    return SASL_OK;
  }

  std::string user_;
  std::vector<char> secret_;
  ChannelBinding bound_to_{};
  sasl_channel_binding_t binding_{};
  std::array<sasl_callback_t, 4> callbacks_{};
  sasl_conn_t* connection_ = nullptr;
};

}  // namespace mcgate::auth::test
