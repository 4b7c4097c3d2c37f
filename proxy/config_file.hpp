// A configuration file while a command changes it: locked against other such commands, and replaced whole or
// not at all. A symbolic link is followed, and stays one.
#pragma once

#include <sys/stat.h>

#include <expected>
#include <string>
#include <string_view>

#include "conf/secret.hpp"
#include "proxy/handles.hpp"

namespace mcgate::proxy {

class ConfigFile {
 public:
  // Opens, locks and reads. The error is the system's, with the file's name; one also is a file that is no
  // regular one or too long.
  static std::expected<ConfigFile, std::string> open(const std::string& path);

  // Its text when it was opened.
  const conf::Secret& text() const { return text_; }

  // Writes a new file beside it, with its mode and owner, and moves that into its place once it is on disk,
  // unless it is no longer the file that was opened. The error says whether it was replaced all the same.
  std::expected<void, std::string> replace(std::string_view text);

 private:
  std::string path_;      // without symbolic links
  Fd directory_;          // holds the lock
  struct stat status_{};  // when it was opened
  conf::Secret text_;
};

}  // namespace mcgate::proxy
