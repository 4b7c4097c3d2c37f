#include "proxy/fatal.hpp"

#include <sysexits.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <string_view>

namespace mcgate::proxy {
namespace {

// std::set_terminate() takes a plain function, which must find these.
std::atomic<const Log*> last_log{nullptr};
std::terminate_handler handler_before = nullptr;
// Given back before the last line is composed, which takes some memory.
std::unique_ptr<char[]> reserve;
constexpr std::size_t kReserve = 65'536;

std::string_view reason_of(const std::exception_ptr& thrown) {
  if (!thrown) return "an internal error";
  try {
    std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    return "out of memory";
  } catch (const std::exception& error) {
    return error.what();  // lives as long as `thrown`
  } catch (...) {
    return "an unknown exception";
  }
}

[[noreturn]] void end() {
  const Log* log = last_log.exchange(nullptr);
  while (log == nullptr) ::pause();  // another thread is at it, and ends us all
  reserve.reset();
  const std::exception_ptr thrown = std::current_exception();
  log->last_words("fatal", reason_of(thrown));
  ::_exit(EX_OSERR);
}

}  // namespace

Fatal::Fatal(const Log& log) {
  reserve = std::make_unique<char[]>(kReserve);
  last_log = &log;
  handler_before = std::set_terminate(end);
}

Fatal::~Fatal() {
  std::set_terminate(handler_before);
  last_log = nullptr;
  reserve.reset();
}

}  // namespace mcgate::proxy
