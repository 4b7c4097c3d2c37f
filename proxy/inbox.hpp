// Messages from other threads to a worker. Outlives the worker as long as anyone may post.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "proxy/handles.hpp"

namespace mcgate::proxy {

class Worker;

class Inbox {
 public:
  using Message = std::move_only_function<void(Worker&)>;
  Inbox();
  // Any thread. Destroyed at once when the worker has ended.
  void post(Message message);
  // The worker's side.
  int fd() const { return wake_.get(); }
  std::vector<Message> take();
  // Nothing will be taken any more.
  void close();

 private:
  Fd wake_;  // an eventfd
  std::mutex mutex_;
  std::vector<Message> messages_;
  bool closed_ = false;
};

}  // namespace mcgate::proxy
