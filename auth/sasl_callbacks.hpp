// The callbacks that libsasl2 is given both for the process and for each exchange, and the trampoline between
// its `void*` contexts and SaslCredentials. Used by sasl.cpp and sasl_library.cpp only. All are noexcept: an
// exception must not pass through libsasl2, and what one would say is that memory is out.
#pragma once

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include <type_traits>

#include "auth/sasl_credentials.hpp"

namespace mcgate::auth {

// libsasl2 keeps every callback as int(*)() and calls it by its id's type.
template <typename Function>
sasl_callback_t callback(unsigned long id, std::type_identity_t<Function>* function, void* context) {
  return {id, reinterpret_cast<int (*)()>(reinterpret_cast<void (*)()>(function)), context};
}

// sasl_getopt_t. `mechanism` is the only one that the exchange may use, as a C string; none if null.
int get_option(void* mechanism, const char* plugin, const char* option, const char** result,
               unsigned* size) noexcept;
// sasl_log_t: what libsasl2 and its plugins say may hold names and passwords, and is nothing to act on.
int drop_log(void*, int level, const char* message) noexcept;
// sasl_server_userdb_checkpass_t, with a SaslCredentials as its context.
int check_password_callback(sasl_conn_t*, void* credentials, const char* user, const char* password,
                            unsigned size, propctx*) noexcept;

// The credentials of the exchange that these utilities belong to; null if there are none.
SaslCredentials* credentials_of(const sasl_utils_t* utils);

}  // namespace mcgate::auth
