#include "auth/certificate_names.hpp"

#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

namespace mcgate::auth {
namespace {

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
using Result = std::expected<void, std::string>;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

Result check(std::string_view text, bool ascii_only) {
  if (text.empty()) return std::unexpected("it has an empty name");
  if (std::ranges::any_of(text, is_control)) return std::unexpected("it has a name with control characters");
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (ascii_only && !std::ranges::all_of(text, is_ascii))
    return std::unexpected("it has a URI or DNS name that is not ASCII");
  return {};
}

Result add_alternative_names(const X509& certificate, std::vector<std::string>& names) {
  int found = 0;
  const std::unique_ptr<GENERAL_NAMES, FreeNames> all{
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, &found, nullptr))};
  if (!all) {
    if (found == -1) return {};
    return std::unexpected("its subject alternative names cannot be read");
  }
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    int type = 0;
    const auto* value =
        static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all.get(), i), &type));
    if (type != GEN_URI && type != GEN_DNS) continue;
    std::string text{reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                     static_cast<std::size_t>(ASN1_STRING_length(value))};
    if (auto good = check(text, true); !good) return good;
    if (type == GEN_DNS) std::ranges::transform(text, text.begin(), lower);
    names.push_back((type == GEN_URI ? "uri:" : "dns:") + text);
  }
  return {};
}

Result add_common_name(const X509& certificate, std::vector<std::string>& names) {
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0) return {};
  if (X509_NAME_get_index_by_NID(subject, NID_commonName, index) >= 0)
    return std::unexpected("it has several common names");
  unsigned char* text = nullptr;
  const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
  if (size < 0) return std::unexpected("its common name cannot be read");
  const std::string name{reinterpret_cast<const char*>(text), static_cast<std::size_t>(size)};
  OPENSSL_free(text);
  if (auto good = check(name, false); !good) return good;
  names.push_back("cn:" + name);
  return {};
}

}  // namespace

std::expected<std::vector<std::string>, std::string> names_of(const X509& certificate) {
  std::vector<std::string> names;
  if (auto good = add_alternative_names(certificate, names); !good) return std::unexpected(good.error());
  if (auto good = add_common_name(certificate, names); !good) return std::unexpected(good.error());
  return names;
}

}  // namespace mcgate::auth
