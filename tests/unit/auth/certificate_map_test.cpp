#include "auth/certificate_map.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/auth/users.hpp"

namespace mcgate::auth {
namespace {

struct Entry {
  std::string user;
  std::string name;  // with its * where it is a prefix
};

conf::Config config_of(const std::vector<Entry>& entries) {
  conf::Config config;
  config.file = "f";
  for (const Entry& entry : entries) {
    if (config.users.empty() || config.users.back().name != entry.user)
      config.users.push_back(test::user(entry.user, {}));
    const bool is_prefix = entry.name.ends_with('*');
    const auto line = static_cast<std::uint32_t>(&entry - entries.data() + 1);
    config.users.back().certificates.push_back(
        {{line, 1}, entry.name.substr(0, entry.name.size() - (is_prefix ? 1 : 0)), is_prefix});
  }
  return config;
}

std::string found(const CertificateMap& map, std::string_view name) {
  const std::string* user = map.find(name);
  return user != nullptr ? *user : "nobody";
}

TEST_CASE("certificate map: exact names and prefixes, byte for byte") {
  std::vector<conf::Problem> problems;
  const CertificateMap map{config_of({{"web", "uri:spiffe://prod/ns/shop/sa/web"},
                                      {"web", "uri:spiffe://prod/ns/shop/jobs/*"},
                                      {"web", "uri:spiffe://prod/ns/shop/jobs/7"},
                                      {"web", "uri:spiffe://prod/ns/shop/jobs/7*"},
                                      {"ops", "cn:ops"},
                                      {"any", "dns:*"}}),
                           problems};
  CHECK(problems.empty());
  struct Row {
    std::string_view name;
    std::string_view user;
  };
  for (const Row& row : std::vector<Row>{{"uri:spiffe://prod/ns/shop/sa/web", "web"},
                                         {"uri:spiffe://prod/ns/shop/sa/web2", "nobody"},
                                         {"uri:spiffe://prod/ns/shop/sa/we", "nobody"},
                                         {"uri:spiffe://prod/ns/shop/jobs/", "web"},
                                         {"uri:spiffe://prod/ns/shop/jobs", "nobody"},
                                         {"uri:spiffe://prod/ns/shop/jobs/8", "web"},
                                         {"uri:spiffe://prod/ns/shop/jobs/77", "web"},
                                         {"cn:ops", "ops"},
                                         {"cn:Ops", "nobody"},
                                         {"uri:ops", "nobody"},
                                         {"dns:ops", "any"},
                                         {"", "nobody"}}) {
    CAPTURE(row.name);
    CHECK(found(map, row.name) == row.user);
  }
}

TEST_CASE("certificate map: what could be two users' is refused, at its place") {
  struct Row {
    std::vector<Entry> entries;
    std::string problem;
  };
  for (const Row& row : std::vector<Row>{
           {{{"a", "cn:x"}, {"b", "cn:x"}},
            "f:2:1: user \"b\": a certificate named \"cn:x\" could be user \"a\" too, by \"cn:x\" in line 1"},
           {{{"a", "cn:x"}, {"b", "cn:*"}},
            "f:1:1: user \"a\": a certificate named \"cn:x\" could be user \"b\" too, by \"cn:*\" in line 2"},
           {{{"a", "cn:x*"}, {"b", "cn:xy*"}},
            "f:2:1: user \"b\": a certificate named \"cn:xy*\" could be user \"a\" too, by \"cn:x*\" in line "
            "1"},
           {{{"a", "cn:x*"}, {"b", "cn:x*"}},
            "f:2:1: user \"b\": a certificate named \"cn:x*\" could be user \"a\" too, by \"cn:x*\" in line "
            "1"},
           {{{"a", "cn:x*"}, {"a", "cn:xa"}, {"a", "cn:xb*"}, {"b", "cn:xc"}},
            "f:4:1: user \"b\": a certificate named \"cn:xc\" could be user \"a\" too, by \"cn:x*\" in line "
            "1"},
           {{{"a", "cn:x"}, {"b", "cn:xy"}, {"c", "dns:x"}, {"d", "uri:x*"}}, ""},
           {{{"a", "cn:x"}, {"a", "cn:x"}, {"a", "cn:x*"}}, ""},
       }) {
    CAPTURE(row.problem);
    std::vector<conf::Problem> problems;
    const CertificateMap map{config_of(row.entries), problems};
    std::string all;
    for (const conf::Problem& problem : problems) all += conf::format(problem);
    CHECK(all == row.problem);
  }
}

// Against the plainest reading: a set of entries is refused exactly if some name of a small alphabet is two
// users', and each name is found as if every entry were tried.
TEST_CASE("certificate map: as if every entry were tried, at random") {
  std::mt19937 draw{7};
  const auto text = [&](std::size_t most) {
    std::string made;
    for (const std::size_t size = draw() % (most + 1); made.size() < size;) made += "ab"[draw() % 2];
    return made;
  };
  std::vector<std::string> names{""};
  for (std::size_t i = 0; names[i].size() < 5; ++i) {
    names.push_back(names[i] + "a");
    names.push_back(names[i] + "b");
  }
  for (int round = 0; round < 2000; ++round) {
    std::vector<Entry> entries;
    for (const char* user : {"u", "v", "w"}) {
      for (auto count = draw() % 3; count > 0; --count)
        entries.push_back({user, text(4) + (draw() % 2 ? "*" : "")});
    }
    std::vector<conf::Problem> problems;
    const CertificateMap map{config_of(entries), problems};
    bool ambiguous = false;
    for (const std::string& name : names) {
      std::string user = "nobody";
      for (const Entry& entry : entries) {
        const bool fits = entry.name.ends_with('*')
                              ? name.starts_with(entry.name.substr(0, entry.name.size() - 1))
                              : name == entry.name;
        if (!fits) continue;
        ambiguous = ambiguous || (user != "nobody" && user != entry.user);
        user = entry.user;
      }
      if (problems.empty()) {
        CAPTURE(name);
        CHECK(found(map, name) == user);
      }
    }
    CHECK(problems.empty() != ambiguous);
  }
}

}  // namespace
}  // namespace mcgate::auth
