#include "proxy/config_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "conf/file.hpp"

namespace mcgate::proxy {
namespace {

std::unexpected<std::string> failure(std::string_view what, const std::string& path) {
  return std::unexpected(fmt::format("{} {}: {}", what, path, std::strerror(errno)));
}

// What a file is known by: whoever changes it changes one of these.
bool same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

// A file that is gone again unless it was kept.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string pattern)
      : path_{std::move(pattern)}, fd_{::mkostemp(path_.data(), O_CLOEXEC)} {}
  ~TemporaryFile() {
    if (fd_ && !kept_) ::unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  explicit operator bool() const { return static_cast<bool>(fd_); }
  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  bool move_to(const std::string& path) {
    kept_ = ::rename(path_.c_str(), path.c_str()) == 0;
    return kept_;
  }

 private:
  std::string path_;
  Fd fd_;
  bool kept_ = false;
};

}  // namespace

std::expected<ConfigFile, std::string> ConfigFile::open(const std::string& path) {
  ConfigFile file;
  std::error_code error;
  file.path_ = std::filesystem::canonical(path, error).string();
  if (error) return std::unexpected(fmt::format("opening {}: {}", path, error.message()));
  const auto directory = std::filesystem::path{file.path_}.parent_path().string();
  file.directory_ = Fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!file.directory_) return failure("opening", directory);
  while (::flock(file.directory_.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return failure("locking", directory);
  }
  // A pipe, which is refused below, would let the opening wait for its other end.
  const Fd opened{::open(file.path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!opened) return failure("opening", file.path_);
  if (::fstat(opened.get(), &file.status_) != 0) return failure("looking at", file.path_);
  if (!S_ISREG(file.status_.st_mode))
    return std::unexpected(fmt::format("{} is no regular file", file.path_));
  auto text = conf::read_file(opened.get());
  if (!text) return std::unexpected(fmt::format("reading {}: {}", file.path_, text.error()));
  if (text->reveal().size() > conf::kMaxFile)
    return std::unexpected(fmt::format("{} has more than {} bytes", file.path_, conf::kMaxFile));
  file.text_ = *std::move(text);
  return file;
}

std::expected<void, std::string> ConfigFile::replace(std::string_view text) {
  TemporaryFile made{path_ + ".XXXXXX"};
  if (!made) return failure("writing beside", path_);
  struct stat own{};
  if (::fstat(made.fd(), &own) != 0) return failure("looking at", made.path());
  if (!write_all(made.fd(), text) || ::fsync(made.fd()) != 0) return failure("writing", made.path());
  struct stat old{};
  if (::stat(path_.c_str(), &old) != 0) return failure("looking at", path_);
  if (!same(old, status_)) {
    return std::unexpected(
        fmt::format("{} was changed by someone else meanwhile, and is left as it is now", path_));
  }
  // The owner first: a change of owner takes bits off the mode.
  const bool same_owner = own.st_uid == old.st_uid && own.st_gid == old.st_gid;
  if (!same_owner && ::fchown(made.fd(), old.st_uid, old.st_gid) != 0)
    return failure("keeping the owner of", path_);
  if (::fchmod(made.fd(), old.st_mode & 07777) != 0) return failure("keeping the mode of", path_);
  if (!made.move_to(path_)) return failure("replacing", path_);
  if (::fsync(directory_.get()) != 0) {
    return std::unexpected(
        fmt::format("{} was replaced, but after a crash may be as it was: {}", path_, std::strerror(errno)));
  }
  return {};
}

}  // namespace mcgate::proxy
