#include "proxy/config_file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <concepts>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

#include "conf/file.hpp"

namespace {
bool directories_fail = false;
}  // namespace

// Stands before libc's: no disk fails when it is asked to.
extern "C" int fsync(int fd) {
  struct stat status{};
  if (directories_fail && ::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace mcgate::proxy {
namespace {

// It holds verifiers, so it is wiped.
static_assert(std::same_as<decltype(std::declval<const ConfigFile&>().text()), const conf::Secret&>);

class Folder {
 public:
  Folder() {
    char pattern[] = "/tmp/mcgate-file-XXXXXX";
    path_ = ::mkdtemp(pattern);
    write("old");
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string file() const { return path_ + "/mcgate.toml"; }
  void write(std::string_view text) const { std::ofstream{file(), std::ios::binary} << text; }
  std::string read() const {
    std::ostringstream text;
    text << std::ifstream{file(), std::ios::binary}.rdbuf();
    return text.str();
  }
  // Nothing is left beside the file.
  bool tidy() const {
    const std::filesystem::directory_iterator entries{path_};
    return std::distance(begin(entries), end(entries)) == 1;
  }

 private:
  std::string path_;
};

TEST_CASE("a configuration file is replaced if it is the one that was opened") {
  const Folder folder;
  auto file = ConfigFile::open(folder.file());
  REQUIRE(file.has_value());
  CHECK(file->text().reveal() == "old");
  CHECK(file->replace("new").has_value());
  CHECK(folder.read() == "new");
  CHECK(folder.tidy());
}

TEST_CASE("a configuration file that was changed meanwhile is left as it is") {
  struct Row {
    std::string_view what;
    std::function<void(const Folder&)> change;
    std::string_view left;
  };
  const auto move_over = [](const Folder& folder) {
    const auto time = std::filesystem::last_write_time(folder.file());
    std::ofstream{folder.file() + ".other"} << "OLD";
    std::filesystem::last_write_time(folder.file() + ".other", time);
    std::filesystem::rename(folder.file() + ".other", folder.file());
  };
  const auto same_size = [](const Folder& folder) {
    folder.write("OLD");
    const auto time = std::filesystem::last_write_time(folder.file());
    std::filesystem::last_write_time(folder.file(), time + std::chrono::nanoseconds{1'000});
  };
  const auto same_time = [](const Folder& folder) {
    const auto time = std::filesystem::last_write_time(folder.file());
    folder.write("older");
    std::filesystem::last_write_time(folder.file(), time);
  };
  for (const auto& row : {Row{"another file, by an editor", move_over, "OLD"},
                          Row{"other text of the same length", same_size, "OLD"},
                          Row{"other text of the same time", same_time, "older"}}) {
    CAPTURE(row.what);
    const Folder folder;
    auto file = ConfigFile::open(folder.file());
    REQUIRE(file.has_value());
    row.change(folder);
    const auto replaced = file->replace("new");
    REQUIRE_FALSE(replaced.has_value());
    CHECK(replaced.error() ==
          folder.file() + " was changed by someone else meanwhile, and is left as it is now");
    CHECK(folder.read() == row.left);
    CHECK(folder.tidy());
  }
}

TEST_CASE("what is no regular file is refused, before it is read") {
  const Folder folder;
  const std::string pipe = folder.file() + ".pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const std::string& path : {pipe, std::string{"/dev/zero"}, std::string{"/tmp"}}) {
    CAPTURE(path);
    const auto file = ConfigFile::open(path);
    REQUIRE_FALSE(file.has_value());
    CHECK(file.error() == path + " is no regular file");
  }
}

TEST_CASE("a file longer than a configuration may be is refused") {
  const Folder folder;
  std::filesystem::resize_file(folder.file(), conf::kMaxFile);
  CHECK(ConfigFile::open(folder.file()).has_value());
  std::filesystem::resize_file(folder.file(), conf::kMaxFile + 1);
  const auto file = ConfigFile::open(folder.file());
  REQUIRE_FALSE(file.has_value());
  CHECK(file.error() == folder.file() + " has more than 16777216 bytes");
}

TEST_CASE("a directory that does not reach the disk: the error says that the file was replaced") {
  const Folder folder;
  auto file = ConfigFile::open(folder.file());
  REQUIRE(file.has_value());
  directories_fail = true;
  const auto replaced = file->replace("new");
  directories_fail = false;
  REQUIRE_FALSE(replaced.has_value());
  CHECK(replaced.error() ==
        folder.file() + " was replaced, but after a crash may be as it was: Input/output error");
  CHECK(folder.read() == "new");
  CHECK(folder.tidy());
}

}  // namespace
}  // namespace mcgate::proxy
