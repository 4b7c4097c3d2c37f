#include "conf/namespaces.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <tuple>
#include <utility>

#include "protocol/key.hpp"

namespace mcgate::conf {

void read_namespace(SectionReader& reader, User& user, Problems& problems) {
  auto text = reader.text("namespace");
  if (!text) return;
  if (!protocol::valid_key(text->text)) {
    problems.add(text->place,
                 fmt::format("namespace {:?}: no key holds a space or a control character", text->text));
    return;
  }
  user.namespace_place = text->place;
  user.name_space = std::move(text->text);
}

void check_namespaces(const std::vector<User>& users, Problems& problems) {
  std::vector<const User*> sorted;
  for (const User& user : users) {
    if (!user.name_space.empty()) sorted.push_back(&user);
  }
  std::ranges::sort(sorted, {}, [](const User* user) {
    return std::tuple{std::string_view{user->name_space}, user->namespace_place};
  });
  // Whatever begins with a text stands right behind it; `around` holds those that the one at hand begins
  // with.
  std::vector<const User*> around;
  for (const User* user : sorted) {
    const auto begins_with = [&](const User* other) {
      return user->name_space.starts_with(other->name_space);
    };
    while (!around.empty() && !begins_with(around.back())) around.pop_back();
    if (!around.empty() && around.back()->name_space != user->name_space) {
      problems.add(user->namespace_place,
                   fmt::format("namespace {:?} begins with that of user {:?}, {:?} in {}: the one's keys "
                               "could be the other's; end both alike, with \":\" say",
                               user->name_space, around.back()->name, around.back()->name_space,
                               line_of(around.back()->namespace_place, user->namespace_place)));
    }
    if (around.empty() || around.back()->name_space != user->name_space) around.push_back(user);
  }
}

}  // namespace mcgate::conf
