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
    UserVerifier verifier{
        make_verifier(Hash::Sha256, password, kMinIterations, "salt" + std::string{password}), {}};
    verifier.id = id_of(verifier);
    made.verifiers.push_back(std::move(verifier));
  }
  return made;
}

TEST_CASE("remembered: that password of that user, and nothing near it") {
  Remembered remembered{10};
  const auto alice = user("alice", {"pw"});
  CHECK_FALSE(remembered.knows(alice, "pw"));
  remembered.remember(alice, alice.verifiers[0], "pw");
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
  remembered.remember(short_name, short_name.verifiers[0], "bc");
  CHECK_FALSE(remembered.knows(long_name, "c"));
}

TEST_CASE("remembered: what a verifier has proven is forgotten with it, and with nothing else") {
  Remembered remembered{10};
  const auto before = user("alice", {"old", "new"});
  remembered.remember(before, before.verifiers[0], "old");
  CHECK(remembered.knows(before, "old") == before.verifiers.data());
  for (const auto& kept :
       {user("alice", {"old"}), user("alice", {"new", "old"}), user("alice", {"x", "old"})}) {
    const auto* proven = remembered.knows(kept, "old");
    REQUIRE(proven != nullptr);
    CHECK(proven->id == before.verifiers[0].id);
  }
  CHECK_FALSE(remembered.knows(user("alice", {"new"}), "old"));
  CHECK_FALSE(remembered.knows(user("alice", {}), "old"));
  auto changed = before;
  changed.verifiers[0].iterations += 1;
  CHECK_FALSE(remembered.knows(changed, "old"));
  changed = before;
  changed.verifiers[0].stored_key = changed.verifiers[1].stored_key;  // its id stays
  CHECK_FALSE(remembered.knows(changed, "old"));
}

TEST_CASE("remembered: an expired verifier proves nothing") {
  using namespace std::chrono_literals;
  constexpr std::chrono::sys_seconds end{1'000'000s};
  Remembered remembered{10};
  auto alice = user("alice", {"pw"});
  alice.verifiers[0].not_after = end;
  remembered.remember(alice, alice.verifiers[0], "pw");
  CHECK(remembered.knows(alice, "pw", end - 1ms));
  CHECK_FALSE(remembered.knows(alice, "pw", end));
}

TEST_CASE("remembered: the least recently used is forgotten, and the bound holds") {
  Remembered remembered{2};
  const auto alice = user("alice", {"pw"});
  remembered.remember(alice, alice.verifiers[0], "1");
  remembered.remember(alice, alice.verifiers[0], "2");
  CHECK(remembered.knows(alice, "1"));  // now 2 is the older
  remembered.remember(alice, alice.verifiers[0], "3");
  CHECK(remembered.knows(alice, "1"));
  CHECK_FALSE(remembered.knows(alice, "2"));
  CHECK(remembered.knows(alice, "3"));
  remembered.remember(alice, alice.verifiers[0], "3");  // again: no second entry
  CHECK(remembered.knows(alice, "1"));
}

TEST_CASE("remembered: none at all if so configured, or without verifiers") {
  Remembered none{0};
  const auto alice = user("alice", {"pw"});
  none.remember(alice, alice.verifiers[0], "pw");
  CHECK_FALSE(none.knows(alice, "pw"));
  Remembered some{5};
  const auto nobody = user("nobody", {});
  some.remember(nobody, alice.verifiers[0], "pw");
  CHECK_FALSE(some.knows(nobody, "pw"));
}

TEST_CASE("remembered: many threads at once") {
  Remembered remembered{50};
  const auto alice = user("alice", {"pw"});
  remembered.remember(alice, alice.verifiers[0], "always");
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i) {
          remembered.remember(alice, alice.verifiers[0], std::to_string(t) + ":" + std::to_string(i % 10));
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
