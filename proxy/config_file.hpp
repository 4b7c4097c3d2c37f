// A configuration file while a command changes it: locked against other such commands, and replaced whole or
// not at all. A symbolic link is followed, and stays one.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "proxy/handles.hpp"

namespace mcgate::proxy {

class ConfigFile {
 public:
  // Opens, locks and reads. The error is the system's, with the file's name.
  static std::expected<ConfigFile, std::string> open(const std::string& path);

  // Its text when it was opened.
  const std::string& text() const { return text_; }

  // Writes a new file beside it, with its mode and owner, and moves that into its place once it is on disk.
  std::expected<void, std::string> replace(std::string_view text);

 private:
  std::string path_;  // without symbolic links
  Fd directory_;      // holds the lock
  std::string text_;
};

}  // namespace mcgate::proxy
