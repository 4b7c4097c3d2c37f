#include "auth/login_runners.hpp"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "auth/deadline_io.hpp"

namespace mcgate::auth {
namespace {

constexpr int kNice = 10;

}  // namespace

LoginRunners::LoginRunners(const char* name, std::size_t threads, std::size_t queue)
    : bound_{queue}, ended_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { run(); });
    ::pthread_setname_np(threads_.back().native_handle(), name);
  }
}

LoginRunners::~LoginRunners() {
  decltype(waiting_) dropped;  // emptied without the lock: a job's parts may do anything when they die
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
    dropped.swap(waiting_);
  }
  wake_.notify_all();
  ::eventfd_write(ended_, 1);  // to those who wait for somebody else's answer
  dropped.clear();
  threads_.clear();  // joins
  ::close(ended_);
}

bool LoginRunners::submit(const PeerPlace& who, std::weak_ptr<const void> wanted, Job&& job) {
  {
    const std::lock_guard lock{mutex_};
    if (stopping_ || count_ >= bound_) return false;
    const auto [mine, is_new] = waiting_.try_emplace(who);
    if (mine->second.size() >= std::max<std::size_t>(1, bound_ / 2)) return false;
    if (is_new) turns_.push_back(mine->first);
    mine->second.push_back({std::move(wanted), std::move(job)});
    ++count_;
  }
  wake_.notify_one();
  return true;
}

void LoginRunners::run() {
  // Deriving keys must not take the processor from those who are served. On Linux this is of the thread
  // alone.
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
  stop_waiting_when_readable(ended_);
  while (true) {
    Job job;
    std::vector<Job> unwanted;
    {
      std::unique_lock lock{mutex_};
      wake_.wait(lock, [this] { return stopping_ || count_ > 0; });
      if (stopping_) return;
      job = next(unwanted);
    }
    unwanted.clear();  // without the lock, and before the job takes its time
    if (job) job();
  }
}

// The job whose turn it is, empty if none is wanted any more; `unwanted` gets those dropped on the way to it,
// which do not use up their place's turn. Called with the lock held.
LoginRunners::Job LoginRunners::next(std::vector<Job>& unwanted) {
  while (!turns_.empty()) {
    const auto mine = waiting_.find(turns_.front());
    Entry entry = std::move(mine->second.front());
    mine->second.pop_front();
    --count_;
    const bool wanted = !entry.wanted.expired();
    if (mine->second.empty()) {
      waiting_.erase(mine);
      turns_.pop_front();
    } else if (wanted) {
      turns_.push_back(turns_.front());
      turns_.pop_front();
    }
    if (wanted) return std::move(entry.job);
    unwanted.push_back(std::move(entry.job));
  }
  return {};
}

}  // namespace mcgate::auth
