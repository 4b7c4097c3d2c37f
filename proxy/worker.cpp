#include "proxy/worker.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "proxy/session.hpp"
#include "proxy/socket.hpp"

namespace mcgate::proxy {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick{250};         // how exact time-outs are
constexpr milliseconds kAcceptPause{100};  // after running out of descriptors
// What one read from memcached may bring: a value that comes in one read is not copied to be put together.
constexpr std::size_t kRawBytes = 262'144;
static_assert(kRawBytes >= Transport::kReadBytes);
constexpr int kAcceptsPerTurn = 16;  // so that a flood of connections does not stop those there are
constexpr std::uint32_t kClientLinesPerSecond = 20;
constexpr std::uint32_t kBoundLinesPerSecond = 20;  // of each

event_base* make_base() {
  event_base* base = event_base_new();
  if (base == nullptr) throw std::bad_alloc{};
  return base;
}

Fd open_reserve() {
  return Fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
}

}  // namespace

Inbox::Inbox() : wake_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {
  if (!wake_) throw std::system_error{errno, std::generic_category(), "eventfd"};
}

void Inbox::post(Message message) {
  {
    const std::lock_guard lock{mutex_};
    messages_.push_back(std::move(message));
  }
  const std::uint64_t one = 1;
  // Can only fail when the counter is full, and then the worker is awake anyway.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

std::vector<Inbox::Message> Inbox::take() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
  const std::lock_guard lock{mutex_};
  return std::exchange(messages_, {});
}

Worker::Worker(std::uint32_t number, Shared& shared, std::shared_ptr<const Snapshot> snapshot,
               std::vector<Fd> listening)
    : number_{number},
      shared_{shared},
      counters_{shared.metrics.add_thread()},
      snapshot_{std::move(snapshot)},
      inbox_{std::make_shared<Inbox>()},
      base_{make_base()},
      jitter_{std::random_device{}()},
      client_log_{kClientLinesPerSecond},
      bound_log_(kBounds, RateLimit{kBoundLinesPerSecond}),
      reserve_{open_reserve()},
      raw_(kRawBytes),
      plain_(Transport::kPlainBytes),
      tls_bio_{Transport::make_bio()} {
  inbox_event_ = make_event<&Worker::on_inbox>(base(), inbox_->fd(), EV_READ | EV_PERSIST, this);
  counters_.set<Metric::Workers>(1);
  tick_event_ = make_event<&Worker::on_tick>(base(), -1, EV_PERSIST, this);
  pause_event_ = make_event<&Worker::on_pause_over>(base(), -1, 0, this);
  for (std::size_t i = 0; i < listening.size(); ++i) {
    auto acceptor = std::make_unique<Acceptor>(this, i, std::move(listening[i]), nullptr);
    acceptor->event = make_event<&Acceptor::on_acceptable>(base(), acceptor->fd.get(), EV_READ | EV_PERSIST,
                                                           acceptor.get());
    acceptors_.push_back(std::move(acceptor));
  }
  for (std::uint32_t i = 0; i < config().upstream.links; ++i) {
    text_links_.push_back(std::make_unique<Link>(*this, protocol::Dialect::Text));
    binary_links_.push_back(std::make_unique<Link>(*this, protocol::Dialect::Binary));
  }
}

Worker::~Worker() = default;

void Worker::run(std::function<void()> on_accepting) {
  on_accepting_ = std::move(on_accepting);
  add_event(inbox_event_);
  const timeval tick = to_timeval(kTick);
  add_event(tick_event_, &tick);
  for (auto& link : text_links_) link->connect();
  for (auto& link : binary_links_) link->connect();
  end_turn();
  while (!stopped_ && (!draining_ || sessions_ > 0)) {
    const int flags = marked_sessions_.empty() ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK;
    if (event_base_loop(base(), flags) < 0) throw std::runtime_error{"the event loop has failed"};
    end_turn();
  }
}

// --- clients

bool Worker::links_tried() const {
  const auto tried = [](const std::unique_ptr<Link>& link) { return link->tried(); };
  return std::all_of(text_links_.begin(), text_links_.end(), tried) &&
         std::all_of(binary_links_.begin(), binary_links_.end(), tried);
}

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
      counters_.add<Metric::BoundHits>(1, Bound::Memory);
      if (client_log_.allow(now())) log().error("accept_failed", {{"reason", "out of memory"}});
    }
    return true;
  }
  const int error = errno;
  if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
    on_no_descriptors(acceptor, std::strerror(error));
  }
  return error == ECONNABORTED || error == EINTR;
}

// Without a pause the loop would turn for nothing: who waits in the listening socket's queue keeps it
// readable.
void Worker::on_no_descriptors(const Acceptor& acceptor, std::string_view reason) {
  counters_.add<Metric::BoundHits>(1, Bound::Descriptors);
  if (bound_log_[static_cast<std::size_t>(Bound::Descriptors)].allow(now()))
    log().error(
        "accept_failed",
        {{"reason", reason}, {"limit", name(Bound::Descriptors)}, {"sessions", shared_.sessions.load()}});
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

bool Worker::count_client(SessionId id, const auth::Peer& client) {
  const auth::PeerPlace place{client};
  if (!shared_.by_place.enter(place, config().limits.sessions_per_address)) return false;
  places_[id.index].counted = place;
  return true;
}

void Worker::uncount_client(Place& place) {
  if (place.counted) shared_.by_place.leave(*place.counted);
  place.counted.reset();
}

void Worker::count_stranger(bool one_more) {
  if (one_more) {
    shared_.strangers.fetch_add(1, std::memory_order_relaxed);
    counters_.add<Metric::Strangers>(1);
  } else {
    shared_.strangers.fetch_sub(1, std::memory_order_relaxed);
    counters_.subtract<Metric::Strangers>(1);
  }
}

void Worker::reached(Bound bound, const auth::Peer& peer, std::string_view user) {
  counters_.add<Metric::BoundHits>(1, bound);
  if (!bound_log_[static_cast<std::size_t>(bound)].allow(now())) return;
  log().warning("bound_reached", {{"limit", name(bound)}, {"peer", auth::format(peer)}, {"user", user}});
}

void Worker::make_room() {
  const std::size_t most = config().limits.worker_bytes;
  if (most == 0 || held_ <= most) return;
  std::vector<SessionId> ids;
  for (std::uint32_t i = 0; i < places_.size(); ++i) {
    if (places_[i].session) ids.push_back({i, places_[i].generation});
  }
  std::ranges::sort(ids, std::ranges::greater{}, [this](SessionId id) { return session(id)->held(); });
  for (const SessionId id : ids) {
    if (held_ <= most) return;
    session(id)->close_for_room();
  }
}

Session* Worker::session(SessionId id) const {
  if (id.index >= places_.size()) return nullptr;
  const Place& place = places_[id.index];
  return place.generation == id.generation ? place.session.get() : nullptr;
}

void Worker::bury(SessionId id) {
  Place& place = places_[id.index];
  if (place.generation != id.generation || !place.session) return;
  dead_sessions_.push_back(std::move(place.session));
  ++place.generation;
  place.marked = false;
  free_places_.push_back(id.index);
  uncount_client(place);
  shared_.sessions.fetch_sub(1, std::memory_order_relaxed);
  counters_.set<Metric::Sessions>(--sessions_);  // last: who reads it may count on the room
}

// --- links

std::string& Worker::discard() {
  discard_.clear();
  return discard_;
}

Link& Worker::link_for(SessionId id, protocol::Dialect dialect) {
  // The same link as long as the session lives, so that its requests keep their order.
  auto& links = dialect == protocol::Dialect::Binary ? binary_links_ : text_links_;
  return *links[id.index % links.size()];
}

Link* Worker::lease(SessionId id, const protocol::Request& request) {
  if (leased_.size() >= config().limits.streams) return nullptr;
  leased_.push_back(std::make_unique<Link>(*this, id, request, link_for(id, request.caller.dialect)));
  return leased_.back().get();
}

void Worker::end_lease(SessionId id) {
  const auto found =
      std::find_if(leased_.begin(), leased_.end(), [id](const auto& link) { return link->lessee() == id; });
  if (found == leased_.end()) return;
  std::erase(marked_links_, found->get());
  dead_links_.push_back(std::move(*found));
  leased_.erase(found);
}

// --- the turn

void Worker::mark(SessionId id) {
  Place& place = places_[id.index];
  if (place.generation != id.generation || std::exchange(place.marked, true)) return;
  place.look_at = {};
  marked_sessions_.push_back(id);
}

void Worker::mark(Link& link) {
  marked_links_.push_back(&link);
}

void Worker::end_turn() {
  // Links first: what sessions put on them leaves at once. A session that is written to may go on with
  // requests it held back, so it takes as many rounds as there is something new to write.
  while (!marked_links_.empty() || !marked_sessions_.empty()) {
    while (!marked_links_.empty()) {
      Link* link = marked_links_.back();
      marked_links_.pop_back();
      link->flush();
    }
    flushed_sessions_.swap(marked_sessions_);
    for (const SessionId id : flushed_sessions_) {
      Session* marked = session(id);
      if (marked == nullptr) continue;
      places_[id.index].marked = false;
      marked->flush();
    }
    flushed_sessions_.clear();
  }
  make_room();
  dead_sessions_.clear();
  dead_links_.clear();
  if (!accepting_ && !draining_ && links_tried()) start_accepting();
  now_.reset();
  ++turn_;
  handshakes_left_ = kHandshakesPerTurn;
  for (const SessionId id : postponed_sessions_) mark(id);
  postponed_sessions_.clear();
}

void Worker::on_tick() {
  for (auto& link : text_links_) link->tick(now());
  for (auto& link : binary_links_) link->tick(now());
  for (std::size_t i = 0; i < leased_.size(); ++i) leased_[i]->tick(now());
  // Thousands may idle: those are passed by without a look into the session.
  for (Place& place : places_) {
    if (place.session && place.look_at <= now()) place.look_at = place.session->tick(now());
  }
  counters_.set<Metric::BytesWaiting>(held_);
  std::uint64_t suppressed = client_log_.take_suppressed();
  for (RateLimit& lines : bound_log_) suppressed += lines.take_suppressed();
  if (suppressed > 0) {
    counters_.add<Metric::LogLinesSuppressed>(suppressed);
    log().warning("lines_suppressed", {{"worker", number_}, {"count", suppressed}});
  }
  if (draining_ && now() > drain_by_) stopped_ = true;
}

// --- messages

void Worker::on_inbox() {
  for (Inbox::Message& message : inbox_->take()) message(*this);
}

void Worker::drain() {
  if (std::exchange(draining_, true)) return;
  drain_by_ = now() + config().timeouts.drain;
  counters_.set<Metric::WorkersAccepting>(0);
  for (auto& acceptor : acceptors_) acceptor->event.reset();
  acceptors_.clear();
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].session) places_[i].session->drain();
  }
}

void Worker::adopt(std::shared_ptr<const Snapshot> snapshot) {
  // The old one must live until no session looks into it.
  const std::shared_ptr<const Snapshot> old = std::exchange(snapshot_, std::move(snapshot));
  for (std::size_t i = 0; i < places_.size(); ++i) {
    places_[i].look_at = {};  // time-outs may be others
    if (places_[i].session) places_[i].session->on_new_snapshot();
  }
}

void Worker::stop() {
  stopped_ = true;
}

}  // namespace mcgate::proxy
