// The names of one kind that a configuration gives: remembers where each was first, and reports the second.
// Lives within one parse().
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <unordered_map>

#include "conf/config.hpp"
#include "conf/section_reader.hpp"

namespace mcgate::conf {

class Names {
 public:
  Names(std::string_view what, Problems& problems) : what_{what}, problems_{problems} {}

  void add(const std::string& name, Place place) {
    const auto [first, added] = places_.emplace(name, place);
    if (added) return;
    problems_.add(place,
                  fmt::format("{} {:?} is there already, in {}", what_, name, line_of(first->second, place)));
  }
  bool knows(const std::string& name) const { return places_.contains(name); }

 private:
  std::string_view what_;
  Problems& problems_;
  std::unordered_map<std::string, Place> places_;
};

}  // namespace mcgate::conf
