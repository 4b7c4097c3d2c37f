// How a worker takes its clients in.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include "proxy/session.hpp"
#include "proxy/socket.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {
namespace {

constexpr std::chrono::milliseconds kAcceptPause{100};  // after running out of descriptors
constexpr int kAcceptsPerTurn = 16;  // so that a flood of connections does not stop those there are

}  // namespace

void Worker::start_accepting() {
  for (auto& acceptor : acceptors_) add_event(acceptor->event);
  counters_.set<Metric::WorkersAccepting>(1);
  if (!std::exchange(accepting_, true) && on_accepting_) on_accepting_();
}

void Worker::stop_accepting() {
  for (auto& acceptor : acceptors_) event_del(acceptor->event.get());
  counters_.set<Metric::WorkersAccepting>(0);
}

void Worker::Acceptor::on_acceptable() {
  for (int i = 0; i < kAcceptsPerTurn && worker->accept_next(*this); ++i) {
  }
}

bool Worker::accept_next(Acceptor& acceptor) {
  Accepted accepted = accept_one(acceptor.fd.get());
  if (accepted.fd) {
    try {
      admit(acceptor.listener, std::move(accepted.fd), accepted.peer);
    } catch (const std::bad_alloc&) {  // nothing depends on the newcomer yet
      turned_away(Bound::Memory, "out of memory");
    }
    return true;
  }
  const int error = errno;
  if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
    on_no_descriptors(acceptor, std::strerror(error));
  }
  return error == ECONNABORTED || error == EINTR;
}

void Worker::turned_away(Bound bound, std::string_view reason) {
  counters_.add<Metric::BoundHits>(1, bound);
  if (bound_log_[static_cast<std::size_t>(bound)].allow(now()))
    log().error("accept_failed",
                {{"reason", reason}, {"limit", name(bound)}, {"sessions", shared_.sessions.load()}});
}

// Without a pause the loop would turn for nothing: who waits in the listening socket's queue keeps it
// readable.
void Worker::on_no_descriptors(const Acceptor& acceptor, std::string_view reason) {
  turned_away(Bound::Descriptors, reason);
  reserve_.reset();
  accept_one(acceptor.fd.get());  // and closes it: it learns at once instead of waiting in vain
  reserve_ = open_reserve();
  stop_accepting();
  const timeval pause = to_timeval(kAcceptPause);
  add_event(pause_event_, &pause);
}

void Worker::on_pause_over() {
  if (!draining_) start_accepting();
}

void Worker::admit(std::size_t listener, Fd fd, const auth::Peer& peer) {
  const conf::Listener& settings = config().listeners[listener];
  // Whom a proxy speaks for comes in its header.
  const bool admitted = settings.is_for_proxies()
                            ? settings.unix_proxies || conf::admits(settings.proxies, peer.ip)
                            : auth::admits(settings.networks, peer);
  if (!admitted) {
    counters_.add<Metric::ClientsFromElsewhere>(1);
    log().debug("client_from_elsewhere", {{"peer", auth::format(peer)}});
    return;
  }
  if (free_places_.empty()) {
    const auto index = static_cast<std::uint32_t>(places_.size());
    places_.emplace_back();
    free_places_.push_back(index);
  }
  if (const auto bound = no_room()) {
    reached(*bound, peer, "-");
    return;
  }
  const std::uint32_t index = free_places_.back();
  Place& place = places_[index];
  const SessionId id{index, place.generation};
  place.look_at = {};
  if (!settings.is_for_proxies() && !count_client(id, peer)) {
    reached(Bound::AddressSessions, peer, "-");
    return;
  }
  try {
    dead_sessions_.reserve(dead_sessions_.size() + 1);  // to bury it takes no memory
    place.session = std::make_unique<Session>(*this, id, listener, std::move(fd), peer);
  } catch (...) {
    uncount_client(place);
    throw;
  }
  free_places_.pop_back();
  counters_.set<Metric::Sessions>(++sessions_);
  counters_.add<Metric::SessionsAccepted>(1);
  shared_.sessions.fetch_add(1, std::memory_order_relaxed);
  try {
    place.session->start();
  } catch (...) {
    bury(id);
    counters_.add<Metric::SessionsClosed>(1, Ending::Lost);
    throw;
  }
}

std::optional<Bound> Worker::no_room() const {
  const conf::Limits& limits = config().limits;
  if (shared_.sessions.load(std::memory_order_relaxed) >= limits.sessions) return Bound::Sessions;
  if (limits.strangers != 0 && shared_.strangers.load(std::memory_order_relaxed) >= limits.strangers)
    return Bound::Strangers;
  return std::nullopt;
}

}  // namespace mcgate::proxy
