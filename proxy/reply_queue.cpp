#include "proxy/reply_queue.hpp"

#include <utility>

namespace mcgate::proxy {

void ReplyQueue::ask(std::size_t keys) {
  ++asked_;
  keys_in_flight_ += keys;
}

void ReplyQueue::put(const Waiting& waiting) {
  switch (waiting.kind) {
    case Kind::Text:
      output_.append(waiting.text);
      return;
    case Kind::SilentFailure:
      failed_in_silence_ = true;
      return;
    case Kind::Fence:
    case Kind::FailedFence:
      break;
  }
  if (waiting.kind == Kind::FailedFence || failed_in_silence_) {
    protocol::compose_refusal(waiting.caller, protocol::Refusal::UpstreamDown,
                              protocol::DeniedStatus::AuthError, output_.tail());
  } else {
    protocol::compose_noop(waiting.caller, output_.tail());
  }
  failed_in_silence_ = false;
}

void ReplyQueue::push(Waiting waiting) {
  if (in_flight() == 0) {
    put(waiting);
  } else {
    waiting_.push() = std::move(waiting);
  }
}

void ReplyQueue::answered(std::size_t keys) {
  ++answered_;
  keys_in_flight_ -= keys;
  while (!waiting_.empty() && waiting_.front().after <= answered_) {
    put(waiting_.front());
    waiting_.pop();
  }
}

void ReplyQueue::say(std::string text) {
  if (!text.empty()) push({.after = asked_, .kind = Kind::Text, .text = std::move(text)});
}

void ReplyQueue::fence(const protocol::Caller& caller, bool failed) {
  push({.after = asked_, .kind = failed ? Kind::FailedFence : Kind::Fence, .caller = caller});
}

}  // namespace mcgate::proxy
