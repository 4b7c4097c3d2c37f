#include "auth/sasl_callbacks.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace mcgate::auth {
namespace {

struct Option {
  std::string_view name;
  const char* value;
};

// Each is named because its default is another source of users.
constexpr std::array kOptions{
    Option{"auxprop_plugin", "mcgate"},  // default: every plugin that is loaded
    Option{"pwcheck_method", "none"},    // default: auxprop, and so what CHECKPASS refused is asked again
    Option{"canon_user_plugin", "INTERNAL"}, Option{"auto_transition", "no"}, Option{"log_level", "0"},
};

}  // namespace

int get_option(void* mechanism, const char*, const char* option, const char** result,
               unsigned* size) noexcept {
  const std::string_view name{option};
  const char* value = nullptr;
  if (name == "mech_list") {
    value = mechanism != nullptr ? static_cast<const char*>(mechanism) : "";
  } else if (const auto* const found = std::ranges::find(kOptions, name, &Option::name);
             found != kOptions.end()) {
    value = found->value;
  }
  if (value == nullptr) return SASL_FAIL;
  *result = value;
  if (size != nullptr) *size = static_cast<unsigned>(std::string_view{value}.size());
  return SASL_OK;
}

int drop_log(void*, int, const char*) noexcept {
  return SASL_OK;
}

int check_password_callback(sasl_conn_t*, void* credentials, const char* user, const char* password,
                            unsigned size, propctx*) noexcept {
  return static_cast<SaslCredentials*>(credentials)->check(user, {password, size}) ? SASL_OK : SASL_BADAUTH;
}

SaslCredentials* credentials_of(const sasl_utils_t* utils) {
  sasl_callback_ft found = nullptr;
  void* context = nullptr;
  const int result = utils->getcallback(utils->conn, SASL_CB_SERVER_USERDB_CHECKPASS, &found, &context);
  const auto expected = callback<sasl_server_userdb_checkpass_t>(0, check_password_callback, nullptr).proc;
  return result == SASL_OK && found == expected ? static_cast<SaslCredentials*>(context) : nullptr;
}

}  // namespace mcgate::auth
