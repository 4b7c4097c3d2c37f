// The threads that log-ins run on, so that none ever blocks a worker. Bounded: a full queue refuses.
// Created by main; workers call submit().
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mcgate::auth {

class LoginRunners {
 public:
  using Job = std::move_only_function<void()>;  // does the work and posts its result by itself

  LoginRunners(std::size_t threads, std::size_t queue);
  ~LoginRunners();  // drops what waits, joins what runs
  LoginRunners(const LoginRunners&) = delete;
  LoginRunners& operator=(const LoginRunners&) = delete;

  // False if the queue is full; the job is then left with the caller.
  bool submit(Job&& job);

 private:
  void run();

  const std::size_t bound_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> waiting_;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace mcgate::auth
