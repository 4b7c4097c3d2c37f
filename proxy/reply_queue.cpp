#include "proxy/reply_queue.hpp"

#include <utility>

namespace mcgate::proxy {

void ReplyQueue::put(const Waiting& waiting) {
  if (!waiting.is_fence) {
    output_.append(waiting.text);
    return;
  }
  if (waiting.failed || failed_in_silence_) {
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
    waiting_.push_back(std::move(waiting));
  }
}

void ReplyQueue::answered() {
  ++answered_;
  while (!waiting_.empty() && waiting_.front().after <= answered_) {
    put(waiting_.front());
    waiting_.pop_front();
  }
}

void ReplyQueue::say(std::string text) {
  if (!text.empty()) push({asked_, false, {}, false, std::move(text)});
}

void ReplyQueue::fence(const protocol::Caller& caller, bool failed) {
  push({asked_, true, caller, failed, {}});
}

}  // namespace mcgate::proxy
