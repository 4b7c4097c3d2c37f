// The names that a client's certificate gives its holder. Pure; any thread.
#pragma once

#include <openssl/types.h>

#include <expected>
#include <string>
#include <vector>

namespace mcgate::auth {

// "uri:…" and "dns:…" of its subject alternative names, the latter in lower case, and "cn:…" of its subject;
// other kinds of name are left out. A name with a NUL or another control, a URI or DNS name that is not
// ASCII, an empty name, several common names and an extension that cannot be read are errors: of what can be
// read in two ways nobody can say whose it is. Whether the certificate is to be believed is not asked here.
std::expected<std::vector<std::string>, std::string> names_of(const X509& certificate);

}  // namespace mcgate::auth
