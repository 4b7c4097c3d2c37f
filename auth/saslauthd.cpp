#include "auth/saslauthd.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>

#include "auth/deadline_io.hpp"
#include "conf/secret.hpp"

namespace mcgate::auth {
namespace {

// The longest answer, as of libsasl2's own client.
constexpr std::size_t kMaxAnswer = 1024;
// How often a full queue is tried anew, which nothing tells about.
constexpr std::chrono::milliseconds kRetry{10};

// One connection for one question.
class Connection {
 public:
  Connection(const std::string& path, Deadline deadline)
      : path_{path},
        deadline_{deadline},
        fd_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)} {}
  ~Connection() {
    if (fd_ >= 0) ::close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  std::expected<void, std::string> connect() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (fd_ < 0 || path_.size() >= sizeof address.sun_path)
      return failure("connecting to", std::strerror(errno));
    path_.copy(static_cast<char*>(address.sun_path), path_.size());
    // A Unix socket connects at once or, while too many wait there already, not at all.
    while (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      if (errno != EAGAIN && errno != EINTR) return failure("connecting to", std::strerror(errno));
      if (const auto paused = pause(kRetry, deadline_); !paused)
        return failure("connecting to", paused.error());
    }
    return {};
  }

  std::expected<void, std::string> send(std::string_view bytes) const {
    const auto sent = send_all(fd_, bytes, deadline_);
    if (!sent) return failure("asking", sent.error());
    return {};
  }

  // Fills all of it.
  std::expected<void, std::string> receive(std::span<char> out) const {
    while (!out.empty()) {
      const auto got = receive_some(fd_, out, deadline_);
      if (!got) return failure("asking", got.error());
      if (*got == 0) return failure("asking", "it hung up without an answer");
      out = out.subspan(*got);
    }
    return {};
  }

 private:
  std::unexpected<std::string> failure(std::string_view what, std::string_view reason) const {
    return std::unexpected(fmt::format("{} {}: {}", what, path_, reason));
  }

  const std::string& path_;
  const Deadline deadline_;
  const int fd_;
};

void append(std::string& question, std::string_view field) {
  question += static_cast<char>(field.size() >> 8 & 0xff);
  question += static_cast<char>(field.size() & 0xff);
  question += field;
}

conf::Secret question_of(std::string_view user, std::string_view password) {
  const auto at = user.rfind('@');
  const std::string_view realm = at == user.npos ? std::string_view{} : user.substr(at + 1);
  std::string question;
  // At once: a string that grows leaves copies behind.
  question.reserve(user.size() + password.size() + kSaslauthdService.size() + 8);
  append(question, user.substr(0, at));
  append(question, password);
  append(question, kSaslauthdService);
  append(question, realm);
  return conf::Secret{std::move(question)};
}

// The word that counts ends with the answer or before what is for a log.
std::expected<bool, std::string> answer_on(const Connection& connection, const std::string& path) {
  std::array<char, 2> length{};
  if (const auto got = connection.receive(length); !got) return std::unexpected(got.error());
  const std::size_t size =
      std::size_t{static_cast<unsigned char>(length[0])} << 8 | static_cast<unsigned char>(length[1]);
  std::string answer(std::min(size, kMaxAnswer), '\0');
  if (const auto got = connection.receive(answer); !got) return std::unexpected(got.error());
  const std::string_view word = std::string_view{answer}.substr(0, answer.find(' '));
  if (size > kMaxAnswer || (word != "OK" && word != "NO"))
    return std::unexpected(fmt::format("{} answers as no saslauthd does", path));
  return word == "OK";
}

}  // namespace

// Each would be another question than the one that was meant: to saslauthd, or by it to whom it asks, by
// lines where that is an IMAP server.
std::string_view why_not_asked(std::string_view password) {
  if (password.empty()) return "empty password";
  if (password.size() > kMaxAskedPassword) return "password too long to ask saslauthd";
  if (password.contains('\0')) return "password with a NUL";
  if (password.find_first_of("\r\n") != password.npos)
    return "password with a line break, of which saslauthd is not asked";
  return {};
}

std::expected<bool, std::string> ask_saslauthd(const conf::Saslauthd& saslauthd, std::string_view user,
                                               std::string_view password) {
  if (!why_not_asked(password).empty()) return false;
  const Connection connection{saslauthd.path, std::chrono::steady_clock::now() + saslauthd.timeout};
  if (const auto connected = connection.connect(); !connected) return std::unexpected(connected.error());
  const conf::Secret question = question_of(user, password);
  if (const auto sent = connection.send(question.reveal()); !sent) return std::unexpected(sent.error());
  return answer_on(connection, saslauthd.path);
}

}  // namespace mcgate::auth
