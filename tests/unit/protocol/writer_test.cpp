#include "protocol/writer.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <functional>
#include <string>

namespace mcgate::protocol {
namespace {

// The signal that ends a process which has a Writer for `most` bytes do this; 0 if none does.
int ended_by(std::size_t most, const std::function<void(Writer&)>& write) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // doctest's own would report a failure
    std::string out;
    Writer::append(out, most, [&](Writer& writer) { write(writer); });
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST_CASE("a writer puts up to its bound behind what is there, and cuts off what it did not need") {
  std::string out = "before";
  Writer::append(out, 100, [](Writer& writer) {
    writer.put(" after");
    writer.put(' ');
    writer.put_number(std::uint64_t{18446744073709551615U});
  });
  CHECK(out == "before after 18446744073709551615");
  Writer::append(out, 0, [](Writer& writer) { writer.put(""); });
  CHECK(out == "before after 18446744073709551615");
}

TEST_CASE("a writer writes nothing beyond its bound, not even where that was wrong") {
  struct Row {
    std::size_t needed;
    std::function<void(Writer&)> write;
  };
  const Row rows[] = {
      {5, [](Writer& writer) { writer.put("bytes"); }},
      {1, [](Writer& writer) { writer.put('b'); }},
      {10, [](Writer& writer) { writer.put_number(4294967295U); }},
      {11, [](Writer& writer) { writer.put_number(-2147483648); }},
      {24, [](Writer& writer) { writer.take(24); }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.needed);
    CHECK(ended_by(row.needed, row.write) == 0);
    CHECK(ended_by(row.needed - 1, row.write) == SIGABRT);
  }
}

}  // namespace
}  // namespace mcgate::protocol
