// Where the audit trail goes: a file that is only appended to, or the log's stderr. Never waits for a reader;
// each line is whole or its rest begins no other. One thread at a time.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "proxy/handles.hpp"
#include "proxy/log.hpp"

namespace mcgate::proxy {

class AuditFile {
 public:
  // An empty path is stderr. Creates the file, for its owner only; one that is there keeps its mode. The
  // error is the system's, without the path.
  static std::expected<AuditFile, std::string> open(std::string path, const Log& log);

  // The same path again, which may be another file now; on an error it goes on with the one it has.
  std::expected<void, std::string> reopen();
  // False if it could not be written whole without waiting: it is lost then.
  bool write(std::string_view line);

  const std::string& path() const { return path_; }

 private:
  AuditFile(std::string path, const Log& log) : path_{std::move(path)}, log_{&log} {}

  std::string path_;
  const Log* log_;
  Fd fd_;                     // none: stderr
  bool ends_within_ = false;  // the last line was written in part
};

}  // namespace mcgate::proxy
