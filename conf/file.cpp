#include "conf/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace mcgate::conf {
namespace {

std::string reason() {
  return std::generic_category().message(errno);
}

// Not by the string's own growing, which leaves what it held in memory that it gives back.
void grow(std::string& text, std::size_t most) {
  std::string larger;
  larger.reserve(std::min(2 * text.size(), most + 1));
  larger.append(text).resize(larger.capacity());
  const Secret smaller{std::exchange(text, std::move(larger))};
}

// Whose reading may wait for somebody else, and for ever.
bool is_pipe_or_device(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

}  // namespace

std::expected<Secret, std::string> read_file(int fd, std::size_t most) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return std::unexpected(reason());
  if (S_ISDIR(status.st_mode)) return std::unexpected("it is a directory");
  constexpr std::size_t least = 4096;  // what tells no size, as a pipe, begins with this
  std::string text(std::clamp(static_cast<std::size_t>(status.st_size), least, most) + 1, '\0');
  std::size_t size = 0;
  std::string error;
  while (size <= most) {
    if (size == text.size()) grow(text, most);
    const ssize_t got = ::read(fd, text.data() + size, std::min(text.size(), most + 1) - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) error = reason();
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  Secret secret{std::move(text)};
  if (!error.empty()) return std::unexpected(std::move(error));
  return secret;
}

std::expected<Secret, std::string> read_path(const std::string& path) {
  // A pipe, which is refused below, would let the opening wait for its other end.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::unexpected(reason());
  auto text = is_pipe_or_device(fd) ? std::unexpected(std::string{"it is no regular file"}) : read_file(fd);
  ::close(fd);
  return text;
}

}  // namespace mcgate::conf
