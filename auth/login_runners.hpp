// The threads that log-ins run on, so that none ever blocks a worker. Bounded: a full queue refuses. Fair:
// clients' places are served in turn, so that one with many log-ins delays its own. Created by main; workers
// call submit().
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "auth/peer_place.hpp"

namespace mcgate::auth {

class LoginRunners {
 public:
  using Job = std::move_only_function<void()>;  // does the work and posts its result by itself

  // `name` is what the system calls each thread: 15 bytes at most.
  LoginRunners(const char* name, std::size_t threads, std::size_t queue);
  ~LoginRunners();  // drops what waits, joins what runs, which gets no answer from elsewhere any more
  LoginRunners(const LoginRunners&) = delete;
  LoginRunners& operator=(const LoginRunners&) = delete;

  // Jobs of one place keep their order. A job is dropped, on a runner's thread, if `wanted` has expired when
  // its turn comes. False if the queue is full, or if half of it is this place's; the job is then left with
  // the caller.
  bool submit(const PeerPlace& who, std::weak_ptr<const void> wanted, Job&& job);

 private:
  struct Entry {
    std::weak_ptr<const void> wanted;
    Job job;
  };

  void run();
  Job next(std::vector<Job>& unwanted);

  const std::size_t bound_;
  const int ended_;   // an eventfd, readable when the runners end; without one, they wait for their deadlines
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::unordered_map<PeerPlace, std::deque<Entry>, PeerPlace::Hash> waiting_;  // none is empty
  std::deque<PeerPlace> turns_;                                                // each of waiting_, once
  std::size_t count_ = 0;                                                      // entries in waiting_
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace mcgate::auth
