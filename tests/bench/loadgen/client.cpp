#include "tests/bench/loadgen/client.hpp"

#include <algorithm>

namespace mcgate::bench {

void Client::open() {
  close();
  opened_ = Clock::now();
  auto stream =
      Stream::open(with_.options.address, with_.tls, with_.options.resume ? session_.get() : nullptr);
  if (!stream) return lose(stream.error());
  stream_ = std::move(*stream);
  readable_ = proxy::make_event<&Client::on_readable>(with_.base, stream_->fd(), EV_READ | EV_PERSIST, this);
  writable_ = proxy::make_event<&Client::on_writable>(with_.base, stream_->fd(), EV_WRITE, this);
  event_add(readable_.get(), nullptr);
  begin(with_.options.login == Login::None ? Phase::Warming : Phase::LoggingIn);
}

void Client::close() {
  if (stream_) session_ = stream_->finish();
  readable_.reset();
  writable_.reset();
  pause_.reset();
  stream_.reset();
  in_.clear();
}

void Client::lose(std::string_view what) {
  with_.report.add_error(what);
  close();
  with_.owner.on_lost(*this);
}

void Client::begin(Phase phase) {
  phase_ = phase;
  batch_.resize(std::max<std::size_t>(batch_.size(), 1));
  out_.clear();
  if (phase == Phase::LoggingIn) {
    with_.workload.log_in(batch_[0], out_);
  } else {
    with_.workload.warm_up(batch_[0], out_);
  }
  in_batch_ = 1;
  send();
}

bool Client::send_batch(std::size_t most) {
  batch_.resize(std::max(batch_.size(), most));
  out_.clear();
  in_batch_ = 0;
  while (in_batch_ < most && with_.workload.next(batch_[in_batch_], out_)) ++in_batch_;
  if (in_batch_ == 0) return false;
  send();
  return true;
}

void Client::pause(std::chrono::microseconds span) {
  if (!pause_) pause_ = proxy::make_event<&Client::on_pause_over>(with_.base, -1, 0, this);
  const timeval wait = proxy::to_timeval(span);
  proxy::add_event(pause_, &wait);
}

void Client::on_pause_over() {
  with_.owner.on_rested(*this);
}

void Client::send() {
  answered_ = 0;
  unsent_ = out_;
  sent_ = Clock::now();
  on_writable();
}

// False if the connection is gone, and with it all that was to be done.
bool Client::go_on(Stream::Progress progress) {
  switch (progress) {
    case Stream::Progress::Done:
    case Stream::Progress::WantRead:
      return true;
    case Stream::Progress::WantWrite:
      event_add(writable_.get(), nullptr);
      return true;
    case Stream::Progress::Closed:
      lose("the connection was closed");
      return false;
  }
  return false;
}

void Client::on_writable() {
  go_on(stream_->write(unsent_));
}

void Client::on_readable() {
  const Stream::Progress progress = stream_->read(in_);
  std::string_view rest = in_;
  while (answered_ < in_batch_) {
    const auto item = next_item(with_.options.dialect, rest);
    if (!item) break;
    take_item(*item);
    rest.remove_prefix(item->size);
  }
  in_.erase(0, in_.size() - rest.size());
  if (answered_ == in_batch_ && !in_.empty()) return lose("a reply that nobody asked for");
  // Reading finishes a handshake, which writing waits for.
  if (!go_on(progress) || (!unsent_.empty() && !go_on(stream_->write(unsent_)))) return;
  if (in_batch_ > 0 && answered_ == in_batch_) on_batch_answered();
}

void Client::on_batch_answered() {
  in_batch_ = 0;
  answered_ = 0;
  switch (phase_) {
    case Phase::LoggingIn:
      return begin(Phase::Warming);
    case Phase::Warming:
      phase_ = Phase::Serving;
      if (with_.report.tls.empty()) with_.report.tls = stream_->tls_name();
      if (stream_->is_resumed()) ++with_.report.resumed;
      return with_.owner.on_set_up(*this);
    case Phase::Serving:
      return with_.owner.on_answered(*this);
  }
}

void Client::take_item(const Item& item) {
  Request& request = batch_[answered_];
  const bool is_get = request.kind == Request::Kind::Get;
  const bool waits_for_end = is_get && has_end(with_.options.dialect, request.keys.size());
  switch (item.kind) {
    case Item::Kind::Value:
      take_value(request, item);
      if (!waits_for_end) answered(request);
      return;
    case Item::Kind::Miss:
      if (!waits_for_end) answered(request);
      return;
    case Item::Kind::End:
      if (!is_get) with_.report.add_error("the end of a get where none was asked for");
      return answered(request);
    case Item::Kind::Stored:
      if (is_get) with_.report.add_error("an answer to a set where a get was asked for");
      return answered(request);
    case Item::Kind::Error:
      with_.report.add_error(item.data);
      if (!waits_for_end || with_.options.dialect == Dialect::Text) answered(request);
      return;
  }
}

// Values come in the order of their keys; those passed over were missing.
void Client::take_value(Request& request, const Item& item) {
  while (request.seen < request.keys.size() && request.keys[request.seen] != item.key) ++request.seen;
  const bool asked_for = request.kind == Request::Kind::Get && request.seen < request.keys.size();
  if (asked_for) {
    ++request.seen;
    ++request.hits;
  }
  if (!asked_for || (with_.options.verify && !with_.workload.keys().is_value_of(item.key, item.data)))
    ++with_.report.wrong;
}

void Client::answered(const Request& request) {
  ++answered_;
  // Before the keys are filled, the get of the warm-up finds nothing.
  if (request.kind == Request::Kind::Get && with_.options.mode != Mode::Fill)
    with_.report.misses += request.keys.size() - request.hits;
  if (phase_ != Phase::Serving) return;
  ++with_.report.requests;
  with_.report.latencies.push_back(std::chrono::duration<float, std::micro>(Clock::now() - sent_).count());
}

}  // namespace mcgate::bench
