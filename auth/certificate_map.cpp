#include "auth/certificate_map.hpp"

#include <algorithm>
#include <tuple>

namespace mcgate::auth {
namespace {

struct Claim {
  const conf::CertificateName* name;
  const conf::User* user;
};

bool covers(const Claim& outer, const Claim& inner) {
  return outer.name->is_prefix ? inner.name->name.starts_with(outer.name->name)
                               : !inner.name->is_prefix && inner.name->name == outer.name->name;
}

std::string quoted(const Claim& claim) {
  return "\"" + claim.name->name + (claim.name->is_prefix ? "*\"" : "\"");
}

}  // namespace

CertificateMap::CertificateMap(const conf::Config& config, std::vector<conf::Problem>& problems) {
  std::vector<Claim> claims;
  for (const conf::User& user : config.users) {
    for (const conf::CertificateName& name : user.certificates) claims.push_back({&name, &user});
  }
  // So that whatever covers a name stands before it, with nothing between but what it covers too.
  std::ranges::sort(claims, {}, [](const Claim& claim) {
    return std::tuple{std::string_view{claim.name->name}, !claim.name->is_prefix, claim.name->place};
  });
  std::vector<Claim> around;
  for (const Claim& claim : claims) {
    while (!around.empty() && !covers(around.back(), claim)) around.pop_back();
    if (!around.empty() && around.back().user->name != claim.user->name) {
      const Claim& other = around.back();
      problems.push_back({config.file_of(claim.name->place), claim.name->place,
                          "user \"" + claim.user->name + "\": a certificate named " + quoted(claim) +
                              " could be user \"" + other.user->name + "\" too, by " + quoted(other) +
                              " in " + conf::line_of(other.name->place, claim.name->place)});
    }
    around.push_back(claim);
    (claim.name->is_prefix ? prefixes_ : exact_).emplace(claim.name->name, claim.user->name);
    if (claim.name->is_prefix) lengths_.insert(claim.name->name.size());
  }
}

const std::string* CertificateMap::find(std::string_view name) const {
  if (const auto found = exact_.find(name); found != exact_.end()) return &found->second;
  for (const std::size_t length : lengths_) {
    if (length > name.size()) break;
    if (const auto found = prefixes_.find(name.substr(0, length)); found != prefixes_.end())
      return &found->second;
  }
  return nullptr;
}

}  // namespace mcgate::auth
