// What clients asked for where all pass: for each client a sketch of rights and key prefixes, never a value,
// from which `mcgate learn` proposes a policy. Filled by a worker, read by the control thread; bounded, and
// what goes beyond is counted.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "auth/identity.hpp"
#include "protocol/request.hpp"

namespace mcgate::proxy {

class Observed {
 public:
  // Bounds of a sketch: a worker's, and that of all.
  static constexpr std::size_t kClients = 512;
  static constexpr std::size_t kRights = 256;  // of one client

  struct Count {
    std::uint64_t requests = 0;
    std::uint64_t refused = 0;  // of them: what the policy would have
  };
  struct Client {
    Count all;
    Count beyond;  // that no right below stands for
    // By right and keys, a tab between: "read" "session:*", "write" "hits", "stats" "-". The right is a
    // category but for admin commands, which are named one by one; "-" is no key.
    std::map<std::string, Count, std::less<>> rights;
  };
  struct Sketch {
    std::map<std::string, Client> clients;  // by "user" or "address" and which (address_of()), a tab between
    Count beyond;                           // of clients that had no room
  };

  // `user` is empty for those who have not logged in. Whoever it is, each of its keys is noted.
  void note(std::string_view user, const auth::Peer& peer, const protocol::Request& request, bool refused);
  // Adds what there is, within the bounds. The worker waits for no more than one client's copy meanwhile.
  void add_to(Sketch& sketch) const;

 private:
  mutable std::mutex mutex_;  // taken by the worker too, but there is next to nobody to wait for
  Sketch sketch_;
};

// The sketch as JSON, for the admin endpoint.
std::string to_json(const Observed::Sketch& sketch);

}  // namespace mcgate::proxy
