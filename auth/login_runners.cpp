#include "auth/login_runners.hpp"

#include <utility>

namespace mcgate::auth {

LoginRunners::LoginRunners(std::size_t threads, std::size_t queue) : bound_{queue} {
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

LoginRunners::~LoginRunners() {
  std::deque<Job> dropped;  // emptied without the lock: a job's parts may do anything when they die
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
    dropped.swap(waiting_);
  }
  wake_.notify_all();
  dropped.clear();
  threads_.clear();  // joins
}

bool LoginRunners::submit(Job&& job) {
  {
    const std::lock_guard lock{mutex_};
    if (stopping_ || waiting_.size() >= bound_) return false;
    waiting_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void LoginRunners::run() {
  while (true) {
    Job job;
    {
      std::unique_lock lock{mutex_};
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
    }
    job();
  }
}

}  // namespace mcgate::auth
