// libsasl2 for the process: what it is told before the first exchange, and the auxprop plugin through which
// it asks for users.
#include <malloc.h>
#include <openssl/crypto.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string>

#include "auth/sasl.hpp"
#include "auth/sasl_callbacks.hpp"
#include "auth/sasl_credentials.hpp"

namespace mcgate::auth {
namespace {

// The attribute that libsasl2's SCRAM takes verifiers from (its `*` means: of the authenticated user).
constexpr const char* kVerifierAttribute = "*authPassword";
constexpr std::array<std::string_view, 3> kMechanisms{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};

// Where libsasl2 gets no memory it calls exit() in places, with all our threads running: so it is never told
// that there is none, and we end ourselves.
void* require(void* memory) {
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}

// Mutexes: libsasl2's own do nothing.
void* mutex_new() noexcept {
  return require(new (std::nothrow) std::mutex);
}
int mutex_lock(void* mutex) noexcept {
  static_cast<std::mutex*>(mutex)->lock();
  return 0;
}
int mutex_unlock(void* mutex) noexcept {
  static_cast<std::mutex*>(mutex)->unlock();
  return 0;
}
void mutex_free(void* mutex) noexcept {
  delete static_cast<std::mutex*>(mutex);
}

// Memory: passwords and keys pass through libsasl2's buffers, and not all of them does it wipe.
void* allocate(std::size_t size) noexcept {
  return require(std::malloc(size));
}
void* allocate_zeros(std::size_t count, std::size_t size) noexcept {
  return require(std::calloc(count, size));
}
void wipe_and_free(void* memory) noexcept {
  if (memory != nullptr) OPENSSL_cleanse(memory, malloc_usable_size(memory));
  std::free(memory);
}
void* reallocate(void* memory, std::size_t size) noexcept {
  void* grown = allocate(size);
  if (memory == nullptr) return grown;
  std::memcpy(grown, memory, std::min(size, malloc_usable_size(memory)));
  wipe_and_free(memory);
  return grown;
}

// Only the mechanisms that we offer are loaded into the process, and no configuration file is read.
int verify_file(void*, const char* file, sasl_verify_type_t type) noexcept {
  if (type != SASL_VRFY_PLUGIN) return SASL_CONTINUE;
  const std::string_view path{file};
  const auto name = path.substr(path.rfind('/') + 1);
  return name.starts_with("libplain.") || name.starts_with("libscram.") ? SASL_OK : SASL_CONTINUE;
}

int no_configuration(void*, char** path) noexcept {
  *path = static_cast<char*>(std::calloc(1, 1));  // libsasl2 frees it
  return *path != nullptr ? SASL_OK : SASL_NOMEM;
}

int lookup(void*, sasl_server_params_t* params, unsigned flags, const char* user, unsigned size) noexcept {
  if ((flags & SASL_AUXPROP_AUTHZID) != 0) return SASL_OK;
  auto* credentials = credentials_of(params->utils);
  if (credentials == nullptr) return SASL_FAIL;
  for (const propval* wanted = params->utils->prop_get(params->propctx);
       wanted != nullptr && wanted->name != nullptr; ++wanted) {
    if (std::strcmp(wanted->name, kVerifierAttribute) != 0) continue;
    const auto verifier = credentials->verifier_of({user, size});
    if (verifier.empty()) return SASL_OK;
    const auto text = verifier.reveal();
    return params->utils->prop_set(params->propctx, kVerifierAttribute, text.data(),
                                   static_cast<int>(text.size()));
  }
  return SASL_OK;
}

int plugin(const sasl_utils_t*, int max_version, int* version, sasl_auxprop_plug_t** plug,
           const char*) noexcept {
  static char name[] = "mcgate";
  static sasl_auxprop_plug_t ours{};
  if (max_version < SASL_AUXPROP_PLUG_VERSION) return SASL_BADVERS;
  ours.auxprop_lookup = lookup;
  ours.name = name;
  *version = SASL_AUXPROP_PLUG_VERSION;
  *plug = &ours;
  return SASL_OK;
}

std::string missing_mechanisms() {
  std::string missing;
  for (const auto mechanism_name : kMechanisms) {
    bool found = false;
    for (const char** loaded = sasl_global_listmech(); loaded != nullptr && *loaded != nullptr; ++loaded) {
      found = found || mechanism_name == *loaded;
    }
    if (!found) missing.append(missing.empty() ? "" : ", ").append(mechanism_name);
  }
  return missing;
}

}  // namespace

std::expected<std::unique_ptr<SaslLibrary>, std::string> SaslLibrary::open() {
  // libsasl2 keeps the pointer.
  static const std::array callbacks{
      callback<sasl_getopt_t>(SASL_CB_GETOPT, get_option, nullptr),
      callback<sasl_log_t>(SASL_CB_LOG, drop_log, nullptr),
      callback<sasl_verifyfile_t>(SASL_CB_VERIFYFILE, verify_file, nullptr),
      callback<sasl_getconfpath_t>(SASL_CB_GETCONFPATH, no_configuration, nullptr),
      sasl_callback_t{SASL_CB_LIST_END, nullptr, nullptr},
  };
  sasl_set_mutex(mutex_new, mutex_lock, mutex_unlock, mutex_free);
  sasl_set_alloc(allocate, allocate_zeros, reallocate, wipe_and_free);
  // Without an application's name there is no file to be read for it.
  if (const int result = sasl_server_init(callbacks.data(), nullptr); result != SASL_OK) {
    return std::unexpected{std::string{"libsasl2 does not start: "} +
                           sasl_errstring(result, nullptr, nullptr)};
  }
  std::unique_ptr<SaslLibrary> library{new SaslLibrary};
  if (const int result = sasl_auxprop_add_plugin("mcgate", plugin); result != SASL_OK) {
    return std::unexpected{std::string{"libsasl2 refuses our users: "} +
                           sasl_errstring(result, nullptr, nullptr)};
  }
  if (const auto missing = missing_mechanisms(); !missing.empty()) {
    return std::unexpected{"libsasl2 lacks " + missing + ": install its modules (Debian: libsasl2-modules)"};
  }
  return library;
}

SaslLibrary::~SaslLibrary() {
  sasl_server_done();
}

}  // namespace mcgate::auth
