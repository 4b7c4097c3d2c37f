#include "proxy/worker.hpp"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

#include "proxy/session.hpp"
#include "proxy/socket.hpp"

namespace mcgate::proxy {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick{250};  // how exact time-outs are
// What one read from memcached may bring: a value that comes in one read is not copied to be put together.
constexpr std::size_t kRawBytes = 262'144;
static_assert(kRawBytes >= Transport::kReadBytes);
// Steps of TLS handshakes, where nobody is kept waiting by them. Otherwise it is one: then they cost more, as
// whom they answer is woken for each.
constexpr int kStepsPerTurn = 4;
// So long after a session has been served there are some to be kept waiting.
constexpr milliseconds kServing{100};
constexpr std::uint32_t kClientLinesPerSecond = 20;
constexpr std::uint32_t kBoundLinesPerSecond = 20;  // of each

event_base* make_base() {
  event_base* base = event_base_new();
  if (base == nullptr) throw std::bad_alloc{};
  return base;
}

}  // namespace

Worker::Worker(std::uint32_t number, Shared& shared, std::shared_ptr<const Snapshot> snapshot,
               std::vector<Fd> listening)
    : number_{number},
      shared_{shared},
      counters_{shared.metrics.add_thread()},
      snapshot_{std::move(snapshot)},
      inbox_{std::make_shared<Inbox>()},
      base_{make_base()},
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
    const int flags = nothing_is_left() ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK;
    if (event_base_loop(base(), flags) < 0) throw std::runtime_error{"the event loop has failed"};
    end_turn();
  }
  inbox_->close();
}

// --- clients

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
  // Who asks for much at once reaches this one all day long, and only waits.
  const conf::LogLevel level =
      bound == Bound::RequestsInFlight ? conf::LogLevel::Debug : conf::LogLevel::Warning;
  if (!log().enabled(level) || !bound_log_[static_cast<std::size_t>(bound)].allow(now())) return;
  log().write(level, "bound_reached", {{"limit", name(bound)}, {"peer", auth::format(peer)}, {"user", user}});
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

Link& Worker::link_for_large_values(protocol::Dialect dialect) {
  std::unique_ptr<Link>& link = dialect == protocol::Dialect::Binary ? large_binary_link_ : large_text_link_;
  if (!link) {
    link = std::make_unique<Link>(*this, dialect, Link::Use::LargeValues);
    link->connect();
  }
  return *link;
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

bool Worker::links_tried() const {
  const auto tried = [](const std::unique_ptr<Link>& link) { return link->tried(); };
  return std::all_of(text_links_.begin(), text_links_.end(), tried) &&
         std::all_of(binary_links_.begin(), binary_links_.end(), tried);
}

void Worker::end_turn() {
  write_all();
  shake_hands();
  write_all();  // what they said with it, and with their requests that came along
  make_room();
  dead_sessions_.clear();
  dead_links_.clear();
  if (!accepting_ && !draining_ && links_tried()) start_accepting();
  now_.reset();
  ++turn_;
  for (const SessionId id : postponed_sessions_) mark(id);
  postponed_sessions_.clear();
}

bool Worker::nothing_is_left() const {
  return marked_links_.empty() && marked_sessions_.empty() && awaiting_handshake_.empty();
}

// Links first: what sessions put on them leaves at once. A session that is written to may go on with requests
// it held back, so it takes as many rounds as there is something new to write.
void Worker::write_all() {
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
}

void Worker::shake_hands() {
  if (awaiting_handshake_.empty()) return;
  int steps = now() - served_at_ < kServing ? 1 : kStepsPerTurn;
  while (steps > 0 && !awaiting_handshake_.empty()) {
    Session* const next = session(awaiting_handshake_.front());
    awaiting_handshake_.pop();
    if (next == nullptr) continue;
    --steps;
    next->shake_hands();
  }
}

void Worker::on_tick() {
  for (auto& link : text_links_) link->tick(now());
  for (auto& link : binary_links_) link->tick(now());
  for (auto* link : {large_text_link_.get(), large_binary_link_.get()}) {
    if (link != nullptr) link->tick(now());
  }
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
  if (draining_ && now() > drain_by_) {
    log().warning("bound_reached",
                  {{"limit", "timeouts.drain_seconds"}, {"worker", number_}, {"sessions", sessions_}});
    stopped_ = true;
  }
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
