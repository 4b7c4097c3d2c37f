#include "proxy/audit_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace mcgate::proxy {
namespace {

// As when the disk was full, or the machine went down. Of what is no regular file nobody knows.
bool lacks_end(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) return false;
  char last = 0;
  return ::pread(fd, &last, 1, status.st_size - 1) == 1 && last != '\n';
}

}  // namespace

std::expected<AuditFile, std::string> AuditFile::open(std::string path, const Log& log) {
  AuditFile file{std::move(path), log};
  if (auto opened = file.reopen(); !opened) return std::unexpected(std::move(opened.error()));
  return file;
}

std::expected<void, std::string> AuditFile::reopen() {
  if (path_.empty()) return {};
  // For reading too: a FIFO can then be opened before its reader, who may come and go; and a file's last line
  // can be looked at.
  constexpr int kFlags = O_RDWR | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
  Fd fd{::open(path_.c_str(), kFlags, 0600)};
  if (!fd) return std::unexpected(std::generic_category().message(errno));
  ends_within_ = lacks_end(fd.get());
  fd_ = std::move(fd);
  return {};
}

bool AuditFile::write(std::string_view line) {
  if (path_.empty()) return log_->append(line);
  const std::string text = ends_within_ ? "\n" + std::string{line} : std::string{line};
  ssize_t written = 0;
  do {
    written = ::write(fd_.get(), text.data(), text.size());
  } while (written < 0 && errno == EINTR);
  if (written <= 0) return false;
  const auto end = static_cast<std::size_t>(written);
  ends_within_ = text[end - 1] != '\n';
  return end == text.size();
}

}  // namespace mcgate::proxy
