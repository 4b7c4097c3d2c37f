#include "auth/certificate_names.hpp"

#include <doctest/doctest.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mcgate::auth {
namespace {

using namespace std::string_view_literals;

struct Name {
  int type;
  std::string_view value;
};
struct CommonName {
  int encoding;
  std::string_view value;
};
using CertificatePtr = std::unique_ptr<X509, decltype(&X509_free)>;

// Unsigned: names are read of what has been verified.
CertificatePtr certificate(const std::vector<Name>& names, const std::vector<CommonName>& common_names) {
  CertificatePtr made{X509_new(), X509_free};
  for (const CommonName& name : common_names) {
    REQUIRE(X509_NAME_add_entry_by_NID(X509_get_subject_name(made.get()), NID_commonName, name.encoding,
                                       reinterpret_cast<const unsigned char*>(name.value.data()),
                                       static_cast<int>(name.value.size()), -1, 0) == 1);
  }
  if (names.empty()) return made;
  GENERAL_NAMES* all = sk_GENERAL_NAME_new_null();
  for (const Name& name : names) {
    ASN1_IA5STRING* value = ASN1_IA5STRING_new();
    ASN1_STRING_set(value, name.value.data(), static_cast<int>(name.value.size()));
    GENERAL_NAME* general = GENERAL_NAME_new();
    GENERAL_NAME_set0_value(general, name.type, value);
    sk_GENERAL_NAME_push(all, general);
  }
  X509_add1_ext_i2d(made.get(), NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT);
  GENERAL_NAMES_free(all);
  return made;
}

std::string read(const CertificatePtr& from) {
  const auto names = names_of(*from);
  if (!names) return "refused: " + names.error();
  std::string all;
  for (const std::string& name : *names) all += name + "\n";
  return all;
}

constexpr int kUtf8 = V_ASN1_UTF8STRING;

TEST_CASE("certificate names: what is read, and what is refused") {
  struct Row {
    std::vector<Name> names;
    std::vector<CommonName> common_names;
    std::string_view read;
  };
  for (const Row& row : std::vector<Row>{
           {{}, {}, ""},
           {{}, {{kUtf8, "web"}}, "cn:web\n"},
           {{}, {{V_ASN1_PRINTABLESTRING, "web"}}, "cn:web\n"},
           {{}, {{V_ASN1_BMPSTRING, "\0w\0e\0b"sv}}, "cn:web\n"},
           {{}, {{V_ASN1_T61STRING, "w\xe9"}}, "cn:w\xc3\xa9\n"},
           {{{GEN_URI, "spiffe://prod/A"}}, {{kUtf8, "web"}}, "uri:spiffe://prod/A\ncn:web\n"},
           {{{GEN_DNS, "Web.Example"}, {GEN_EMAIL, "a@b"}}, {}, "dns:web.example\n"},
           {{{GEN_DNS, "a"}, {GEN_URI, "b"}, {GEN_DNS, "c"}}, {}, "dns:a\nuri:b\ndns:c\n"},

           {{{GEN_DNS, "web\0.evil.example"sv}}, {}, "refused: it has a name with control characters"},
           {{{GEN_URI, "spiffe://prod/a\0"sv}}, {}, "refused: it has a name with control characters"},
           {{{GEN_URI, "spiffe://prod/a\n"}}, {}, "refused: it has a name with control characters"},
           {{}, {{kUtf8, "web\0x"sv}}, "refused: it has a name with control characters"},
           {{}, {{V_ASN1_BMPSTRING, "\0w\0\0"sv}}, "refused: it has a name with control characters"},
           {{{GEN_DNS, "w\xc3\xa9"}}, {}, "refused: it has a URI or DNS name that is not ASCII"},
           {{{GEN_URI, "\xff"}}, {{kUtf8, "web"}}, "refused: it has a URI or DNS name that is not ASCII"},
           {{{GEN_URI, ""}}, {}, "refused: it has an empty name"},
           {{{GEN_DNS, "good"}, {GEN_DNS, ""}}, {}, "refused: it has an empty name"},
           {{}, {{kUtf8, "web"}, {kUtf8, "web"}}, "refused: it has several common names"},
           {{{GEN_URI, "u"}}, {{kUtf8, "a"}, {kUtf8, "b"}}, "refused: it has several common names"},
       }) {
    CAPTURE(row.read);
    CHECK(read(certificate(row.names, row.common_names)) == row.read);
  }
}

TEST_CASE("certificate names: an extension that is broken, or there twice, is refused") {
  const auto extension = [](X509* to, std::string_view bytes) {
    const std::unique_ptr<ASN1_OCTET_STRING, decltype(&ASN1_OCTET_STRING_free)> value{ASN1_OCTET_STRING_new(),
                                                                                      ASN1_OCTET_STRING_free};
    ASN1_OCTET_STRING_set(value.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                          static_cast<int>(bytes.size()));
    const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> made{
        X509_EXTENSION_create_by_NID(nullptr, NID_subject_alt_name, 0, value.get()), X509_EXTENSION_free};
    X509_add_ext(to, made.get(), -1);
  };
  const auto broken = certificate({}, {{kUtf8, "web"}});
  extension(broken.get(), "\x30\x05nope");
  CHECK(read(broken) == "refused: its subject alternative names cannot be read");
  const auto twice = certificate({{GEN_DNS, "a"}}, {});
  extension(twice.get(), "\x30\x03\x82\x01z");
  CHECK(read(twice) == "refused: its subject alternative names cannot be read");
}

}  // namespace
}  // namespace mcgate::auth
