// What a configuration says of client certificates: which a listener asks for, and whose names are which
// user's. Called within parse().
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "conf/config.hpp"
#include "conf/section_reader.hpp"

namespace mcgate::conf {

// "spiffe://…" (short for "uri:spiffe://…"), "uri:…", "dns:…" or "cn:…", each with a trailing `*` for all
// names that begin so. The result has no place; DNS names are in lower case. The error says what is wrong.
std::expected<CertificateName, std::string> parse_certificate_name(std::string_view text);

// `certificates` of a user.
std::vector<CertificateName> read_certificate_names(SectionReader& reader, Problems& problems);

// client_certificate, client_ca and client_crl of a listener.
void read_client_certificates(SectionReader& reader, Tls& tls, Problems& problems);

}  // namespace mcgate::conf
