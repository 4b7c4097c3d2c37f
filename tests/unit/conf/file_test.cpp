#include "conf/file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <thread>

using namespace mcgate::conf;

namespace {

// What comes out of a pipe into which `text` goes: in pieces, and with no size told.
std::string through_pipe(const std::string& text) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  std::jthread writer{[&] {
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t put = ::write(ends[1], text.data() + at, text.size() - at);
      if (put <= 0) break;
      at += static_cast<std::size_t>(put);
    }
    ::close(ends[1]);
  }};
  const auto read = read_file(ends[0]);
  writer.join();
  ::close(ends[0]);
  REQUIRE(read.has_value());
  return std::string{read->reveal()};
}

}  // namespace

TEST_CASE("a file is read to its end, whether its size is known or not") {
  for (const std::size_t size : {0U, 1U, 4096U, 4097U, 4098U, 65'536U, 1'000'003U}) {
    CAPTURE(size);
    std::string text;
    while (text.size() < size) text += static_cast<char>('a' + text.size() % 25);
    CHECK(through_pipe(text) == text);

    std::string name = "/tmp/mcgate-file-XXXXXX";
    const int fd = ::mkstemp(name.data());
    REQUIRE(fd >= 0);
    ::unlink(name.c_str());
    REQUIRE(::write(fd, text.data(), size) == static_cast<ssize_t>(size));
    REQUIRE(::lseek(fd, 0, SEEK_SET) == 0);
    CHECK(read_file(fd)->reveal() == text);
    ::close(fd);
  }
}

TEST_CASE("a file is read to the bound and one byte on") {
  const int fd = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  CHECK(read_file(fd)->reveal().size() == kMaxFile + 1);
  ::close(fd);
}

TEST_CASE("a file that cannot be read: the error is the system's") {
  const int directory = ::open("/", O_RDONLY | O_CLOEXEC);
  CHECK(read_file(directory).error() == "it is a directory");
  ::close(directory);
  const int unreadable = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  CHECK(read_file(unreadable).error() == "Bad file descriptor");
  ::close(unreadable);
  CHECK(read_file(-1).error() == "Bad file descriptor");
}
