#include "auth/login_runners.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace mcgate::auth {
namespace {

TEST_CASE("login runners: every job runs once, on another thread") {
  std::atomic<int> done = 0;
  std::promise<void> all;
  const auto caller = std::this_thread::get_id();
  std::atomic<bool> elsewhere = true;
  {
    LoginRunners runners{3, 100};
    for (int i = 0; i < 100; ++i) {
      REQUIRE(runners.submit([&] {
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
  std::promise<void> running, release;
  LoginRunners runners{1, 1};
  REQUIRE(runners.submit([&] {
    running.set_value();
    release.get_future().wait();
  }));
  running.get_future().wait();
  REQUIRE(runners.submit([] {}));
  auto mine = std::make_unique<int>(7);
  LoginRunners::Job job = [owned = std::move(mine)] { ++*owned; };
  CHECK_FALSE(runners.submit(std::move(job)));
  CHECK(static_cast<bool>(job));
  release.set_value();
}

TEST_CASE("login runners: what waits at the end is dropped, what runs is joined") {
  std::promise<void> running;
  std::atomic<bool> stop = false, finished = false, ran = false;
  auto witness = std::make_shared<int>(1);
  std::jthread releaser;
  {
    LoginRunners runners{1, 10};
    REQUIRE(runners.submit([&] {
      running.set_value();
      while (!stop) std::this_thread::yield();
      finished = true;
    }));
    running.get_future().wait();
    REQUIRE(runners.submit([&ran, witness] { ran = true; }));
    releaser = std::jthread{[&, weak = std::weak_ptr<int>{witness}] {
      while (weak.use_count() > 1) std::this_thread::yield();  // until the destructor has dropped the job
      stop = true;
    }};
  }
  CHECK(finished);
  CHECK_FALSE(ran);
  CHECK(witness.use_count() == 1);
}

}  // namespace
}  // namespace mcgate::auth
