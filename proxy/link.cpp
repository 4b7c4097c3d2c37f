#include "proxy/link.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/key.hpp"
#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {
namespace {

// Requests that share one get line, at most: an error costs all of them, and no reply should grow without
// end.
constexpr std::size_t kLineKeys = 64;

// What a watch's OK may take on top. It is said by the thread of memcached's log, which rests for a second
// where there is little to log, and may be late on a busy machine.
constexpr std::chrono::seconds kLogRests{2};

// What a link's input keeps: a read's worth.
constexpr std::size_t kKeptInput = 262'144;

// A slot is used again, and should not keep for ever what one large get needed.
void release_if_large(std::string& text) {
  constexpr std::size_t kKept = 4096;
  if (text.capacity() > kKept) std::string{}.swap(text);
}

// Of the key as it goes up: tenants' keys are the same where that is.
std::size_t hash_of_key(const protocol::Request& request) {
  const std::string_view key = request.keys.front();
  if (request.name_space.empty()) return std::hash<std::string_view>{}(key);
  std::array<char, protocol::kMaxKey> whole{};
  char* const end = std::ranges::copy(key, std::ranges::copy(request.name_space, whole.begin()).out).out;
  return std::hash<std::string_view>{}({whole.data(), end});
}

}  // namespace

Link::Link(Worker& worker, protocol::Dialect dialect, Use use)
    : worker_{worker},
      dialect_{dialect},
      use_{use},
      retry_event_{make_event<&Link::on_retry>(worker.base(), -1, 0, this)} {}

Link::Link(Worker& worker, SessionId lessee, const protocol::Request& request, const Link& as_seen_by)
    : Link{worker, as_seen_by.dialect_} {
  lessee_ = lessee;
  version_ = as_seen_by.version_;
  protocol::compose(request, sequence_, leased_request_);
  protocol::expect(request, sequence_, version_, leased_expected_);
}

std::string_view Link::dialect_name() const {
  return dialect_ == protocol::Dialect::Binary ? "binary" : "text";
}

std::string_view Link::use_name() const {
  return use_ == Use::LargeValues ? "large" : "any";
}

void Link::on_writable() {
  if (state_ == State::Connecting) {
    start_probe();
  } else {
    mark();
  }
}

bool Link::congested() const {
  return output_.size() > worker_.config().limits.link_output_bytes;
}

// Neighbouring single-key gets of a turn go up as one line: a line costs memcached a system call, a key on it
// next to nothing. A key stands on a line once, so that it is plain whose each VALUE is.
bool Link::joins_line(const protocol::Request& request, bool window_goes_on) {
  const protocol::Command command = request.caller.command;
  const bool may_share = !window_goes_on && request.caller.dialect == protocol::Dialect::Text &&
                         request.keys.size() == 1 &&
                         (command == protocol::Command::Get || command == protocol::Command::Gets);
  if (!may_share) {
    end_line();
    return false;
  }
  const std::size_t key = hash_of_key(request);
  auto bit = line_has_[key % line_has_.size()];
  const bool there = bit && std::find(line_keys_.begin(), line_keys_.end(), key) != line_keys_.end();
  const bool joins =
      !there && !line_keys_.empty() && line_command_ == command && line_keys_.size() < kLineKeys;
  if (!joins) end_line();
  line_command_ = command;
  line_keys_.push_back(key);
  bit = true;
  return joins;
}

void Link::end_line() {
  if (line_keys_.empty()) return;
  line_keys_.clear();
  line_has_.reset();
}

void Link::send(const protocol::Request& request, SessionId session, bool window_goes_on) {
  const bool joins = joins_line(request, window_goes_on);
  const std::uint64_t begins_at = joins ? pending_.back().begins_at : written_ + output_.size();
  if (joins) pending_.back().expected.line_goes_on = true;
  Pending& pending = pending_.push();
  pending.session = session;
  pending.keys = std::max<std::size_t>(1, request.keys.size());
  pending.begins_at = begins_at;
  pending.sent_at = worker_.now();
  ++sequence_;
  protocol::expect(request, sequence_, version_, pending.expected);
  pending.expected.window_goes_on = window_goes_on;
  if (joins) {
    protocol::compose_onto(request, output_.tail());
  } else {
    protocol::compose(request, sequence_, output_.tail());
  }
  mark();
}

void Link::mark() {
  if (!std::exchange(marked_, true)) worker_.mark(*this);
}

void Link::flush() {
  marked_ = false;
  end_line();
  while (!output_.empty() && fd_) {
    const ssize_t sent = ::send(fd_.get(), output_.view().data(), output_.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        add_event(write_event_);
        break;
      }
      fail(LinkFailure::Lost, std::strerror(errno));
      return;
    }
    written_ += static_cast<std::uint64_t>(sent);
    output_.consume(static_cast<std::size_t>(sent));
  }
  wake_held_back();
}

void Link::wake_when_clear(SessionId session) {
  // Thousands may come, wait and go while memcached takes nothing.
  if (held_back_.size() >= 2 * worker_.sessions())
    std::erase_if(held_back_, [this](SessionId id) { return worker_.session(id) == nullptr; });
  held_back_.push_back(session);
}

// Each puts what it can on the link at once: were all of them only told, all but the first few would find it
// full again. Who has more for it than there is room for waits behind the others.
void Link::wake_held_back() {
  while (!held_back_.empty() && !congested()) {
    Session* const session = worker_.session(held_back_.front());
    held_back_.pop_front();
    if (session != nullptr) session->on_link_clear();
  }
}

void Link::set_reading(bool reading) {
  if (!read_event_ || state_ != State::Ready || reading == reading_) return;
  reading_ = reading;
  if (!pending_.empty()) pending_.front().sent_at = worker_.now();  // the pause was not memcached's
  if (reading) {
    add_event(read_event_);
  } else {
    event_del(read_event_.get());
  }
}

void Link::on_readable() {
  const auto scratch = worker_.raw();
  const ssize_t got = ::recv(fd_.get(), scratch.data(), scratch.size(), 0);
  if (got < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
      fail(LinkFailure::Lost, std::strerror(errno));
    return;
  }
  if (got == 0) {
    fail(LinkFailure::Lost, "closed by memcached");
    return;
  }
  take({scratch.data(), static_cast<std::size_t>(got)});
}

void Link::take(std::string_view fresh) {
  const auto read = [this](std::string_view input) {
    return state_ == State::Probing ? read_probe(input) : read_replies(input);
  };
  if (input_.empty()) {
    const auto used = read(fresh);
    if (used) input_.append(fresh.substr(*used));
  } else {
    input_.append(fresh);
    if (input_.size() < wanted_) return;
    const auto used = read(input_.view());
    if (used) input_.consume(*used);
  }
  if (wanted_ > input_.size()) input_.expect(wanted_);
  input_.release_if_empty(kKeptInput);
}

std::optional<std::size_t> Link::read_replies(std::string_view input) {
  std::size_t used = 0;
  wanted_ = 0;
  while (used < input.size()) {
    if (pending_.empty()) {
      fail(LinkFailure::Poisoned, "memcached said something unasked");
      return std::nullopt;
    }
    Pending& pending = pending_.front();
    Session* session = worker_.session(pending.session);
    std::string& out = session != nullptr ? session->reply_head() : worker_.discard();
    const auto result = protocol::read_reply(input.substr(used), pending.expected, out);
    if (const auto* more = std::get_if<protocol::ReplyNeedsMore>(&result)) {
      wanted_ = more->total;
      return used;
    }
    if (const auto* poisoned = std::get_if<protocol::ReplyPoisoned>(&result)) {
      fail(LinkFailure::Poisoned, poisoned->reason);
      return std::nullopt;
    }
    if (const auto* end = std::get_if<protocol::ReplyEnd>(&result)) {
      used += end->consumed;
      const std::size_t keys = pending.keys;
      release_if_large(pending.expected.keys);
      pending_.pop();
      // What waits behind it has waited for memcached only from now on.
      if (!pending_.empty()) pending_.front().sent_at = worker_.now();
      if (session != nullptr) session->on_reply_end(keys, end->consumed);
      if (lessee_) {
        close(protocol::Refusal::UpstreamDown);  // the stream has ended
        return std::nullopt;
      }
    } else {
      const std::size_t consumed = std::get<protocol::ReplyPart>(result).consumed;
      used += consumed;
      if (!must_be_quick(pending.expected)) pending.sent_at = worker_.now();
      if (session != nullptr) session->on_reply_part(consumed);
    }
    if (state_ != State::Ready) return std::nullopt;  // closed by what the session did
  }
  return used;
}

void Link::fail(LinkFailure failure, std::string_view reason, protocol::Refusal refusal) {
  const bool came_up = state_ == State::Ready || failure == LinkFailure::Timeout;
  worker_.counters().add<Metric::UpstreamFailures>(1, came_up ? failure : LinkFailure::Connect);
  if (!lessee_) {
    log_down(reason);
  } else if (const Session* session = worker_.session(*lessee_)) {
    session->log_lost_stream(reason);
  }
  if (state_ == State::Ready) begin_backoff();
  close(refusal);
}

void Link::close(protocol::Refusal refusal) {
  if (serves_all() && state_ == State::Ready)
    worker_.counters().subtract<Metric::UpstreamLinks>(1, link_protocol(dialect_));
  worker_.counters().add<Metric::RepliesLost>(pending_.size());
  tried_ = true;
  was_up_ = false;
  state_ = State::Down;
  read_event_.reset();
  write_event_.reset();
  fd_.reset();
  input_ = {};
  output_ = {};
  end_line();
  wanted_ = 0;
  const std::uint64_t written = std::exchange(written_, 0);
  Ring<Pending> lost = std::exchange(pending_, {});
  for (; !lost.empty(); lost.pop()) {
    const Pending& pending = lost.front();
    if (Session* session = worker_.session(pending.session))
      session->on_reply_lost(pending.expected, pending.keys, refusal, pending.begins_at < written);
  }
  wake_held_back();
  if (!lessee_) {
    schedule_retry();
  } else if (Session* session = worker_.session(*lessee_)) {
    session->on_lease_over();
  }
}

bool Link::must_be_quick(const protocol::Expected& expected) const {
  return !lessee_ && protocol::row(expected.caller.command).reply == protocol::ReplyShape::Stats;
}

std::optional<Clock::duration> Link::patience(const protocol::Expected& expected) const {
  const Clock::duration usual = worker_.config().upstream.reply_timeout;
  if (!lessee_) return usual;
  if (!reading_) return std::nullopt;
  if (expected.caller.command != protocol::Command::Watch) return usual;
  if (expected.began) return std::nullopt;
  return usual + kLogRests;
}

void Link::tick(Clock::time_point now) {
  if (state_ == State::Connecting || state_ == State::Probing) {
    if (now - began_ > worker_.config().upstream.connect_timeout)
      fail(LinkFailure::Timeout, "no answer within upstream.connect_timeout_seconds",
           protocol::Refusal::UpstreamTimeout);
  } else if (state_ == State::Ready && !pending_.empty()) {
    const auto most = patience(pending_.front().expected);
    if (most && now - pending_.front().sent_at > *most)
      fail(LinkFailure::Timeout, "no answer within upstream.reply_timeout_seconds",
           protocol::Refusal::UpstreamTimeout);
  }
}

}  // namespace mcgate::proxy
