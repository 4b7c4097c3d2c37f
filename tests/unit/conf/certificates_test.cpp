#include "conf/certificates.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/conf/configs.hpp"

using namespace mcgate::conf;
using namespace mcgate::conf::test;
using namespace std::string_view_literals;

TEST_CASE("certificate names: kinds, prefixes, DNS without case") {
  struct Row {
    std::string_view text;
    std::string_view name;
    bool is_prefix;
  };
  const std::vector<Row> rows{
      {"spiffe://prod/ns/shop/sa/web", "uri:spiffe://prod/ns/shop/sa/web", false},
      {"spiffe://prod/ns/shop/*", "uri:spiffe://prod/ns/shop/", true},
      {"uri:spiffe://prod/A", "uri:spiffe://prod/A", false},
      {"uri:urn:x", "uri:urn:x", false},
      {"dns:Web.Example.COM", "dns:web.example.com", false},
      {"cn:Shop Web", "cn:Shop Web", false},
      {"cn:*", "cn:", true},
      {"spiffe://*", "uri:spiffe://", true},
      {"cn:dns:x", "cn:dns:x", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto name = parse_certificate_name(row.text);
    REQUIRE(name.has_value());
    CHECK(name->name == row.name);
    CHECK(name->is_prefix == row.is_prefix);
  }
}

TEST_CASE("certificate names: what is none") {
  for (const auto text : {""sv, "*"sv, "web"sv, "CN:web"sv, "cn:"sv, "dns:"sv, "uri:"sv, "spiffe:/x"sv,
                          "dns:*.example.com"sv, "cn:a**"sv, "cn:a\0b"sv, "cn:a\nb"sv, " cn:a"sv}) {
    CAPTURE(text);
    CHECK_FALSE(parse_certificate_name(text).has_value());
  }
}

TEST_CASE("client certificates: what a listener must say") {
  const std::string listener =
      "upstream = { address = \"127.0.0.1:2\" }\n[[listener]]\naddress = \"127.0.0.1:1\"\n"
      "[listener.tls]\ncertificate = \"c\"\nkey = \"k\"\n";
  const auto good = test::good(
      listener + "client_certificate = \"required\"\nclient_ca = \"a\"\nclient_crl = [\"b\", \"c\"]");
  REQUIRE(good.listeners.size() == 1);
  CHECK(good.listeners[0].tls->client_certificate == ClientCertificate::Required);
  CHECK(good.listeners[0].tls->client_ca == "a");
  CHECK(good.listeners[0].tls->client_crl == std::vector<std::string>{"b", "c"});
  CHECK(test::good(listener).listeners[0].tls->client_certificate == ClientCertificate::None);

  CHECK(problems(listener + "client_certificate = \"optional\"") ==
        "f:7:22: client certificates need client_ca: the authorities that they may come from\n");
  CHECK(problems(listener + "client_ca = \"a\"") ==
        "f:7:13: client_ca means nothing without client_certificate = \"optional\" or \"required\"\n");
  CHECK(problems(listener + "client_crl = [\"a\"]") ==
        "f:7:14: client_crl means nothing without client_certificate = \"optional\" or \"required\"\n");
  CHECK(problems(listener + "client_certificate = \"yes\"") ==
        "f:7:22: client_certificate must be one of \"none\", \"optional\", \"required\", not \"yes\"\n");
  CHECK(problems(least() + "[[user]]\nname = \"a\"\ncertificates = [\"x\"]") ==
        "f:5:17: \"x\": a certificate's name begins with \"spiffe://\", \"uri:\", \"dns:\" or \"cn:\"\n");
}
