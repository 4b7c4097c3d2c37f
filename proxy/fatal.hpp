// The one way out when the process cannot go on: memory is out where nobody can do without, or an exception
// left what must not throw (a thread, a callback of a C library; all of those are noexcept). One line in the
// log, then the end, without running anything else. Owned by serve(), which must create it before the
// threads.
#pragma once

#include "proxy/log.hpp"

namespace mcgate::proxy {

class Fatal {
 public:
  // From now on std::terminate() says why in `log`, which must outlive this, and exits with EX_OSERR.
  explicit Fatal(const Log& log);
  ~Fatal();
  Fatal(const Fatal&) = delete;
  Fatal& operator=(const Fatal&) = delete;
};

}  // namespace mcgate::proxy
