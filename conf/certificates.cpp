#include "conf/certificates.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace mcgate::conf {
namespace {

constexpr std::string_view kSpiffe = "spiffe://";
constexpr std::string_view kUri = "uri:";
constexpr std::string_view kDns = "dns:";
constexpr std::array kKinds{kUri, kDns, std::string_view{"cn:"}};

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::expected<CertificateName, std::string> parse_certificate_name(std::string_view text) {
  const auto wrong = [text](std::string_view why) {
    return std::unexpected(fmt::format("{:?}: {}", text.substr(0, 128), why));
  };
  CertificateName result;
  if (text.starts_with(kSpiffe)) result.name = kUri;
  result.name += text;
  const auto kind =
      std::ranges::find_if(kKinds, [&](std::string_view each) { return result.name.starts_with(each); });
  if (kind == kKinds.end()) {
    return wrong("a certificate's name begins with \"spiffe://\", \"uri:\", \"dns:\" or \"cn:\"");
  }
  if (result.name.ends_with('*')) {
    result.is_prefix = true;
    result.name.pop_back();
  } else if (result.name.size() == kind->size()) {
    return wrong("a name must follow");
  }
  if (result.name.contains('*')) return wrong("a * may stand at the end only");
  if (has_control(result.name)) return wrong("a name holds no control character");
  if (*kind == kDns) std::ranges::transform(result.name, result.name.begin(), lower);
  return result;
}

std::vector<CertificateName> read_certificate_names(SectionReader& reader, Problems& problems) {
  std::vector<CertificateName> names;
  for (const PlacedText& item : reader.texts("certificates")) {
    if (auto name = parse_certificate_name(item.text)) {
      names.push_back(std::move(*name));
      names.back().place = item.place;
    } else {
      problems.add(item.place, name.error());
    }
  }
  return names;
}

void read_client_certificates(SectionReader& reader, Tls& tls, Problems& problems) {
  reader.choice("client_certificate", tls.client_certificate,
                {{"none", ClientCertificate::None},
                 {"optional", ClientCertificate::Optional},
                 {"required", ClientCertificate::Required}});
  if (auto file = reader.text("client_ca")) tls.client_ca = std::move(file->text);
  for (PlacedText& file : reader.texts("client_crl")) tls.client_crl.push_back(std::move(file.text));

  const bool asked_for = tls.client_certificate != ClientCertificate::None;
  if (asked_for && !reader.has("client_ca")) {
    problems.add(reader.place_of("client_certificate"),
                 "client certificates need client_ca: the authorities that they may come from");
  }
  for (const std::string_view name : {"client_ca", "client_crl"}) {
    if (asked_for || !reader.has(name)) continue;
    problems.add(
        reader.place_of(name),
        fmt::format("{} means nothing without client_certificate = \"optional\" or \"required\"", name));
  }
}

}  // namespace mcgate::conf
