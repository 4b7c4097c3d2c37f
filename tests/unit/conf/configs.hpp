// Configurations for tests, and what is said of them.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>

#include "conf/config.hpp"

namespace mcgate::conf::test {

// The least that a configuration needs; what is added to it begins in line 3, still in the top-level table.
inline std::string least() {
  return "listener = [{ address = \"127.0.0.1:1\" }]\n"
         "upstream = { address = \"127.0.0.1:2\" }\n";
}

inline Config good(const std::string& text) {
  auto config = parse(text, "f");
  if (!config) {
    for (const Problem& problem : config.error()) FAIL_CHECK(format(problem));
    return {};
  }
  return std::move(*config);
}

inline std::string problems(std::string_view text) {
  const auto config = parse(text, "f");
  if (config) return "none";
  std::string all;
  for (const Problem& problem : config.error()) all += format(problem) + "\n";
  return all;
}

}  // namespace mcgate::conf::test
