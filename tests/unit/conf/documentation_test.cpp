// The example and the manual page speak of every configuration key there is, and what they say holds.
#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>

#include "conf/config.hpp"
#include "conf/keys.hpp"

using namespace mcgate::conf;

namespace {

std::string read(const std::string& name) {
  std::ifstream file{std::string{MCGATE_SOURCE_DIR} + "/docs/" + name};
  REQUIRE(file.is_open());
  return {std::istreambuf_iterator<char>{file}, {}};
}

// The example with every setting in force: "#key = ..." without its "#".
std::string uncommented(const std::string& example) {
  std::istringstream lines{example};
  std::string all;
  for (std::string line; std::getline(lines, line);) {
    if (line.size() > 1 && line[0] == '#' && (line[1] != ' ' || line.starts_with("#  \""))) line.erase(0, 1);
    all += line + "\n";
  }
  return all;
}

// What follows `start`, up to the first of `ends`; nothing if there is no start.
std::string between(const std::string& text, const std::string& start,
                    std::initializer_list<const char*> ends) {
  const std::size_t found = text.find(start);
  if (found == std::string::npos) return {};
  const std::size_t begin = found + start.size();
  std::size_t end = text.size();
  for (const char* stop : ends) end = std::min(end, text.find("\n" + std::string{stop}, begin));
  return text.substr(begin, end - begin);
}

void check_parses(const std::string& text) {
  const auto config = parse(text, "mcgate.toml.example", [](const std::string&) { return Secret{}; });
  if (!config) {
    for (const Problem& problem : config.error()) FAIL_CHECK(format(problem));
  }
  CHECK(config.has_value());
}

}  // namespace

TEST_CASE("the example is right, as it is and with every setting in force") {
  const std::string example = read("mcgate.toml.example");
  check_parses(example);
  check_parses(uncommented(example));
}

TEST_CASE("the example as it is lets nobody in") {
  const auto config = load(std::string{MCGATE_SOURCE_DIR} + "/docs/mcgate.toml.example");
  REQUIRE(config.has_value());
  CHECK(config->users.empty());
}

TEST_CASE("the example has every key, and its defaults where it shows them") {
  const std::string example = uncommented(read("mcgate.toml.example"));
  for (const KeyRow& row : all_keys()) {
    const std::string name{row.name};
    CAPTURE(name);
    if (row.type == Type::Table || row.type == Type::Tables) {
      const bool table = example.find("[" + name) != std::string::npos ||
                         example.find("." + name + "]") != std::string::npos;
      CHECK((table || example.find(name + " = [") != std::string::npos));
      continue;
    }
    CHECK(example.find(name + " = ") != std::string::npos);
    const bool number = row.type == Type::Integer || row.type == Type::Seconds || row.type == Type::Boolean;
    const bool shown = !row.fallback.starts_with("none") && find_key(row.section, row.fallback) == nullptr;
    if (number && shown && !row.fallback.empty()) {
      CHECK(example.find(name + " = " + std::string{row.fallback} + "\n") != std::string::npos);
    }
  }
}

TEST_CASE("the manual page has every key in its section, with its default") {
  const std::string page = read("mcgate.toml.5");
  for (const KeyRow& row : all_keys()) {
    const std::string name{row.name};
    CAPTURE(title(row.section));
    CAPTURE(name);
    std::string heading{title(row.section)};
    heading[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(heading[0])));
    const std::string section = between(page, ".Ss " + heading + "\n", {".Ss ", ".Sh "});
    const std::string item = between(section, ".It Ic " + name + "\n", {".It Ic "});
    REQUIRE_FALSE(item.empty());
    const std::string terms = item.substr(0, item.find('\n'));
    const std::string fallback = row.fallback.empty() ? "required" : "default " + std::string{row.fallback};
    CHECK(terms.ends_with("; " + fallback + "."));
    if (row.type == Type::Integer) {
      const std::string range = std::to_string(row.least) + " to " + std::to_string(row.most);
      CHECK(terms == "Integer, " + range + "; " + fallback + ".");
    }
  }
}
