// The order of a session's replies. Owned by the session.
//
// Requests that went upstream are answered in order, all over one link, so for them a count is enough; the
// answers that mcgate gives by itself wait here until every request before them has been answered. So the
// reply that comes from upstream is always the one at the head, and goes straight to the session's output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "protocol/answer.hpp"
#include "proxy/buffer.hpp"
#include "proxy/ring.hpp"

namespace mcgate::proxy {

class ReplyQueue {
 public:
  // `output` is where replies leave to, and outlives this.
  explicit ReplyQueue(Buffer& output) : output_{output} {}

  // A request has gone upstream, for that many keys (1 for those without); its link gives them back at its
  // end.
  void ask(std::size_t keys);
  // Where the parts of the reply at the head go.
  std::string& head() { return output_.tail(); }
  // The reply at the head is complete, of a request for that many keys.
  void answered(std::size_t keys);
  // The request at the head failed and could not be told so, being quiet: the next fence will tell.
  void failed_in_silence() { failed_in_silence_ = true; }
  // The same for one that was refused by ourselves, behind all that was asked before it.
  void fail_in_silence() { push({.after = asked_, .kind = Kind::SilentFailure}); }

  // An answer of our own, behind all that was asked before it.
  void say(std::string text);
  // The answer to a no-op: carries the error of quiet requests before it that failed.
  void fence(const protocol::Caller& caller, bool failed);

  // Whether any request has gone upstream.
  bool used() const { return asked_ != 0; }
  std::size_t in_flight() const { return static_cast<std::size_t>(asked_ - answered_); }
  // What the requests in flight and the answers of our own that wait behind them come to, in keys.
  std::size_t load() const { return keys_in_flight_ + waiting_.size(); }

 private:
  enum class Kind : std::uint8_t { Text, Fence, FailedFence, SilentFailure };
  struct Waiting {
    std::uint64_t after = 0;  // how many must have been answered
    Kind kind = Kind::Text;
    protocol::Caller caller = {};  // of a fence
    std::string text = {};
  };
  void put(const Waiting& waiting);
  void push(Waiting waiting);

  Buffer& output_;
  std::uint64_t asked_ = 0;
  std::uint64_t answered_ = 0;
  std::size_t keys_in_flight_ = 0;
  bool failed_in_silence_ = false;
  Ring<Waiting> waiting_;
};

}  // namespace mcgate::proxy
