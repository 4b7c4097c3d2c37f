#include "auth/remembered.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace mcgate::auth {
namespace {

User user(std::string name, std::initializer_list<std::string_view> passwords) {
  User made;
  made.name = std::move(name);
  for (const auto password : passwords) {
    made.verifiers.push_back(make_verifier(Hash::Sha256, password, kMinIterations, "salt"));
  }
  return made;
}

TEST_CASE("remembered: that password of that user, and nothing near it") {
  Remembered remembered{10};
  const auto alice = user("alice", {"pw"});
  CHECK_FALSE(remembered.knows(alice, "pw"));
  remembered.remember(alice, "pw");
  CHECK(remembered.knows(alice, "pw"));
  for (const std::string_view other : {"", "p", "pw ", "PW", "pwpw"}) {
    CAPTURE(other);
    CHECK_FALSE(remembered.knows(alice, other));
  }
  auto bob = alice;
  bob.name = "bob";
  CHECK_FALSE(remembered.knows(bob, "pw"));
}

TEST_CASE("remembered: name and password cannot be shifted into each other") {
  Remembered remembered{10};
  auto short_name = user("a", {"bc"});
  auto long_name = short_name;
  long_name.name = "ab";
  remembered.remember(short_name, "bc");
  CHECK_FALSE(remembered.knows(long_name, "c"));
}

TEST_CASE("remembered: a changed, added or removed verifier forgets") {
  Remembered remembered{10};
  const auto before = user("alice", {"old", "new"});
  remembered.remember(before, "old");
  CHECK(remembered.knows(before, "old"));
  CHECK_FALSE(remembered.knows(user("alice", {"new"}), "old"));
  CHECK_FALSE(remembered.knows(user("alice", {"old"}), "old"));
  CHECK_FALSE(remembered.knows(user("alice", {"old", "new", "x"}), "old"));
  CHECK_FALSE(remembered.knows(user("alice", {}), "old"));
  auto dearer = before;
  dearer.verifiers[0].iterations += 1;
  CHECK_FALSE(remembered.knows(dearer, "old"));
}

TEST_CASE("remembered: the least recently used is forgotten, and the bound holds") {
  Remembered remembered{2};
  const auto alice = user("alice", {"pw"});
  remembered.remember(alice, "1");
  remembered.remember(alice, "2");
  CHECK(remembered.knows(alice, "1"));  // now 2 is the older
  remembered.remember(alice, "3");
  CHECK(remembered.knows(alice, "1"));
  CHECK_FALSE(remembered.knows(alice, "2"));
  CHECK(remembered.knows(alice, "3"));
  remembered.remember(alice, "3");  // again: no second entry
  CHECK(remembered.knows(alice, "1"));
}

TEST_CASE("remembered: none at all if so configured, or without verifiers") {
  Remembered none{0};
  const auto alice = user("alice", {"pw"});
  none.remember(alice, "pw");
  CHECK_FALSE(none.knows(alice, "pw"));
  Remembered some{5};
  const auto nobody = user("nobody", {});
  some.remember(nobody, "pw");
  CHECK_FALSE(some.knows(nobody, "pw"));
}

TEST_CASE("remembered: many threads at once") {
  Remembered remembered{50};
  const auto alice = user("alice", {"pw"});
  remembered.remember(alice, "always");
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i) {
          remembered.remember(alice, std::to_string(t) + ":" + std::to_string(i % 10));
          if (!remembered.knows(alice, "always")) ++wrong;
          if (remembered.knows(alice, "never")) ++wrong;
        }
      });
    }
  }
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace mcgate::auth
