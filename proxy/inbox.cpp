#include "proxy/inbox.hpp"

#include <sys/eventfd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include "proxy/worker.hpp"

namespace mcgate::proxy {

Inbox::Inbox() : wake_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {
  if (!wake_) throw std::system_error{errno, std::generic_category(), "eventfd"};
}

void Inbox::post(Message message) {
  {
    const std::lock_guard lock{mutex_};
    if (closed_) return;
    messages_.push_back(std::move(message));
  }
  const std::uint64_t one = 1;
  // Can only fail when the counter is full, and then the worker is awake anyway.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

std::vector<Inbox::Message> Inbox::take() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
  const std::lock_guard lock{mutex_};
  return std::exchange(messages_, {});
}

void Inbox::close() {
  {
    const std::lock_guard lock{mutex_};
    closed_ = true;
  }
  take();
}

}  // namespace mcgate::proxy
