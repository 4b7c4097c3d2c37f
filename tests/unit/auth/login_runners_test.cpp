#include "auth/login_runners.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace mcgate::auth {
namespace {

const std::shared_ptr<const void> kWanted = std::make_shared<int>();  // by somebody who does not go away

// The place of that name.
PeerPlace place(std::string_view name) {
  const auto uid = static_cast<std::uint32_t>(std::hash<std::string_view>{}(name));
  return PeerPlace{{.unix_socket = true, .owner = UnixOwner{uid, 0}}};
}

// One runner, kept busy until it is released; what was submitted meanwhile runs before finish() returns.
class OneBusyRunner {
 public:
  explicit OneBusyRunner(std::size_t queue) : runners_{"test", 1, queue} {
    REQUIRE(runners_.submit(place("busy"), kWanted, [this] {
      running_.set_value();
      release_.get_future().wait();
    }));
    running_.get_future().wait();
  }
  ~OneBusyRunner() { release(); }
  OneBusyRunner(const OneBusyRunner&) = delete;
  OneBusyRunner& operator=(const OneBusyRunner&) = delete;

  // A job that notes its name when it runs.
  bool submit(std::string_view who, std::string name, std::weak_ptr<const void> wanted = kWanted) {
    return runners_.submit(place(who), std::move(wanted),
                           [this, name = std::move(name)] { order_.push_back(name); });
  }
  LoginRunners& runners() { return runners_; }
  void release() {
    if (!released_) release_.set_value();
    released_ = true;
  }
  // Runs what waits, up to and with one more job of `who`, for which there must be room by then.
  const std::vector<std::string>& order_until_last_of(std::string_view who) {
    REQUIRE(runners_.submit(place(who), kWanted, [this] { last_.set_value(); }));
    release();
    last_.get_future().wait();
    return order_;
  }

 private:
  std::promise<void> running_, release_, last_;
  bool released_ = false;
  std::vector<std::string> order_;  // the runner's, until the last job has run
  LoginRunners runners_;            // ends first
};

using Names = std::vector<std::string>;

TEST_CASE("login runners: every job runs once, on another thread") {
  std::atomic<int> done = 0;
  std::promise<void> all;
  const auto caller = std::this_thread::get_id();
  std::atomic<bool> elsewhere = true;
  {
    LoginRunners runners{"test", 3, 200};
    for (int i = 0; i < 100; ++i) {
      REQUIRE(runners.submit(place(std::to_string(i % 7)), kWanted, [&] {
        if (std::this_thread::get_id() == caller) elsewhere = false;
        if (++done == 100) all.set_value();
      }));
    }
    all.get_future().wait();
  }
  CHECK(done == 100);
  CHECK(elsewhere);
}

TEST_CASE("login runners: a full queue refuses and leaves the job with its owner") {
  OneBusyRunner one{2};
  REQUIRE(one.submit("a", "a1"));
  REQUIRE(one.submit("b", "b1"));
  LoginRunners::Job job = [owned = std::make_unique<int>(7)] { ++*owned; };
  CHECK_FALSE(one.runners().submit(place("c"), kWanted, std::move(job)));
  CHECK(static_cast<bool>(job));  // NOLINT(bugprone-use-after-move): left alone where it is refused
}

TEST_CASE("login runners: one place fills half of the queue at most, and at least one of it") {
  struct Row {
    std::size_t queue, most;
  };
  for (const Row& row : {Row{1, 1}, Row{2, 1}, Row{3, 1}, Row{4, 2}, Row{9, 4}, Row{100, 50}}) {
    CAPTURE(row.queue);
    OneBusyRunner one{row.queue};
    for (std::size_t i = 0; i < row.most; ++i) CHECK(one.submit("stranger", "x"));
    CHECK_FALSE(one.submit("stranger", "x"));
    CHECK(one.submit("other", "x") == (row.queue > 1));
  }
}

TEST_CASE("login runners: there is room again once a job runs") {
  std::vector<std::promise<void>> ran(20);
  LoginRunners runners{"test", 1, 2};
  for (auto& each : ran) {
    REQUIRE(runners.submit(place("a"), kWanted, [&] { each.set_value(); }));
    each.get_future().wait();
  }
}

TEST_CASE("login runners: places take turns, and each keeps its order") {
  OneBusyRunner one{20};
  for (const char* name : {"a1", "a2", "a3", "a4", "a5"}) REQUIRE(one.submit("a", name));
  for (const char* name : {"b1", "b2"}) REQUIRE(one.submit("b", name));
  REQUIRE(one.submit("c", "c1"));
  CHECK(one.order_until_last_of("a") == Names{"a1", "b1", "c1", "a2", "b2", "a3", "a4", "a5"});
}

TEST_CASE("login runners: a job that nobody wants any more is dropped, and its place keeps its turn") {
  OneBusyRunner one{20};
  auto gone = std::make_shared<int>();
  REQUIRE(one.submit("a", "gone", gone));
  REQUIRE(one.submit("a", "a1"));
  REQUIRE(one.submit("b", "gone", gone));
  REQUIRE(one.submit("b", "gone", gone));
  REQUIRE(one.submit("c", "c1"));
  REQUIRE(one.submit("a", "gone", gone));
  REQUIRE(one.submit("a", "a2"));
  gone.reset();
  CHECK(one.order_until_last_of("a") == Names{"a1", "c1", "a2"});
}

TEST_CASE("login runners: what is dropped makes room, and dies where it may submit again") {
  std::promise<bool> resubmitted;
  OneBusyRunner one{2};
  // Runs where the job dies: under the lock it would hang.
  auto on_death =
      std::shared_ptr<void>{nullptr, [&](void*) { resubmitted.set_value(one.submit("a", "again")); }};
  auto gone = std::make_shared<int>();
  REQUIRE(one.runners().submit(place("a"), gone, [on_death = std::move(on_death)] {}));
  REQUIRE_FALSE(one.submit("a", "too many"));
  gone.reset();
  one.release();
  CHECK(resubmitted.get_future().get());
  CHECK(one.order_until_last_of("b") == Names{"again"});
}

TEST_CASE("login runners: what waits at the end is dropped, what runs is joined") {
  std::promise<void> running;
  std::atomic<bool> stop = false, finished = false, ran = false;
  auto witness = std::make_shared<int>(1);
  std::jthread releaser;
  {
    LoginRunners runners{"test", 1, 10};
    REQUIRE(runners.submit(place("a"), kWanted, [&] {
      running.set_value();
      while (!stop) std::this_thread::yield();
      finished = true;
    }));
    running.get_future().wait();
    REQUIRE(runners.submit(place("a"), kWanted, [&ran, witness] { ran = true; }));
    REQUIRE(runners.submit(place("b"), kWanted, [&ran, witness] { ran = true; }));
    releaser = std::jthread{[&, weak = std::weak_ptr<int>{witness}] {
      while (weak.use_count() > 1) std::this_thread::yield();  // until the destructor has dropped the jobs
      stop = true;
    }};
  }
  CHECK(finished);
  CHECK_FALSE(ran);
  CHECK(witness.use_count() == 1);
}

}  // namespace
}  // namespace mcgate::auth
