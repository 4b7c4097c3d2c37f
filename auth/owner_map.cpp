#include "auth/owner_map.hpp"

#include <grp.h>
#include <pwd.h>

#include <array>
#include <cerrno>
#include <expected>
#include <optional>
#include <string_view>

#include "protocol/number.hpp"

namespace mcgate::auth {
namespace {

using Id = std::uint32_t;
using Lookup = std::expected<Id, std::string>;

// What the kernel shows for a uid or gid that has no name in our namespace: anybody's.
constexpr std::array<Id, 3> kAnybody{65534, 65535, 4294967295};

// Calls getpwnam_r or getgrnam_r with as much room as it asks for.
template <typename Entry, typename Get>
Lookup look_up(const std::string& name, Get get, Id Entry::* id) {
  constexpr std::size_t kMostRoom = 1'048'576;
  for (std::vector<char> room(1024); room.size() <= kMostRoom; room.resize(room.size() * 2)) {
    Entry entry{};
    Entry* found = nullptr;
    const int error = get(name.c_str(), &entry, room.data(), room.size(), &found);
    if (error == ERANGE) continue;
    if (found != nullptr) return entry.*id;
    break;
  }
  return std::unexpected("this system has no such name");
}

// A number is taken for what it is, as no name is one.
template <typename Entry, typename Get>
Lookup resolve(const std::string& text, Get get, Id Entry::* id) {
  const auto number = protocol::parse_number<Id>(text);
  const Lookup found = number ? Lookup{*number} : look_up(text, get, id);
  if (!found) return found;
  for (const Id anybody : kAnybody) {
    if (*found == anybody)
      return std::unexpected("the kernel shows " + std::to_string(anybody) +
                             " for whoever has no name here, and so for anybody");
  }
  return found;
}

}  // namespace

OwnerMap::OwnerMap(const conf::Config& config, std::vector<conf::Problem>& problems) {
  const auto add = [&](auto& map, const Lookup& id, const conf::User& user, const conf::PlacedText& item,
                       std::string_view kind) {
    const std::string who = "user \"" + user.name + "\": " + std::string{kind} + " \"" + item.text + "\": ";
    if (!id) {
      problems.push_back({config.file_of(item.place), item.place, who + id.error()});
      return;
    }
    const auto [entry, added] = map.emplace(*id, user.name);
    if (!added && entry->second != user.name)
      problems.push_back(
          {config.file_of(item.place), item.place, who + "it is user \"" + entry->second + "\" already"});
  };
  for (const conf::User& user : config.users) {
    for (const conf::PlacedText& item : user.unix_users)
      add(users_, resolve(item.text, ::getpwnam_r, &passwd::pw_uid), user, item, "Unix user");
    for (const conf::PlacedText& item : user.unix_groups)
      add(groups_, resolve(item.text, ::getgrnam_r, &group::gr_gid), user, item, "Unix group");
  }
}

const std::string* OwnerMap::find(const UnixOwner& owner) const {
  if (const auto found = users_.find(owner.uid); found != users_.end()) return &found->second;
  const auto found = groups_.find(owner.gid);
  return found != groups_.end() ? &found->second : nullptr;
}

}  // namespace mcgate::auth
