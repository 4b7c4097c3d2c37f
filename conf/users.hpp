// Reads [[user]] tables: those of the configuration, and those of the file that users_file names.
#pragma once

#include <string>
#include <vector>

#include "conf/config.hpp"
#include "conf/names.hpp"
#include "conf/section_reader.hpp"

namespace mcgate::conf {

class UserReader {
 public:
  // Of what is read already.
  UserReader(Config& config, const Names& roles, Problems& problems)
      : config_{config}, roles_{roles}, problems_{problems} {}

  void read(SectionReader& top);
  // `named`: users_file, which is relative to the configuration. It holds nothing but users.
  void read_file(const PlacedText& named, const std::string& config_file, const FileReader& read);

  const Names& names() const { return names_; }

 private:
  Config& config_;
  const Names& roles_;
  Problems& problems_;
  Names names_{"user", problems_};
};

}  // namespace mcgate::conf
