#include "proxy/fatal.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <array>
#include <exception>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

using namespace mcgate;
using namespace mcgate::proxy;

namespace {

struct End {
  int status;
  std::string said;
};

// How a process ends that does this.
End end_of(conf::LogFormat format, const std::function<void()>& act) {
  std::array<int, 2> pipe{};
  REQUIRE(::pipe(pipe.data()) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const Log log{{.format = format, .level = conf::LogLevel::Info}, pipe[1]};
    const Fatal fatal{log};
    act();
    ::_exit(0);
  }
  ::close(pipe[1]);
  End end{};
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = ::read(pipe[0], buffer.data(), buffer.size())) > 0;)
    end.said.append(buffer.data(), static_cast<std::size_t>(got));
  ::close(pipe[0]);
  ::waitpid(child, &end.status, 0);
  return end;
}

template <typename Thrown>
void fail(const Thrown& thrown) {
  throw thrown;
}

struct Row {
  std::function<void()> act;
  std::string_view reason;
};

}  // namespace

TEST_CASE("whatever cannot go on ends with one line and a status") {
  const Row rows[] = {
      {[]() noexcept { fail(std::bad_alloc{}); }, "out of memory"},
      {[]() noexcept { fail(std::runtime_error{"a reason of its own"}); }, "a reason of its own"},
      {[]() noexcept { fail(1); }, "an unknown exception"},
      {[] { std::terminate(); }, "an internal error"},
      {[] { std::thread{[] { fail(std::bad_alloc{}); }}.join(); }, "out of memory"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.reason);
    const auto [status, said] = end_of(conf::LogFormat::Logfmt, row.act);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == EX_OSERR));
    CAPTURE(said);
    CHECK(said.find(" level=error event=fatal reason=\"" + std::string{row.reason} + "\"\n") != said.npos);
    CHECK(said.find('\n') == said.size() - 1);
  }
}

TEST_CASE("the last line has the log's format") {
  const auto [status, said] = end_of(conf::LogFormat::Json, []() noexcept { fail(std::bad_alloc{}); });
  CHECK(said.find(R"("level":"error","event":"fatal","reason":"out of memory"})") != said.npos);
}
