// Reads a configuration file: whole, bounded, and leaving no copy of the verifiers in it behind. For whoever
// needs its text, load() and the commands that edit it.
#pragma once

#include <cstddef>
#include <expected>
#include <string>

#include "conf/secret.hpp"

namespace mcgate::conf {

// The longest configuration, in bytes.
inline constexpr std::size_t kMaxFile = 16'777'216;

// What is left to read of an open file; of one that is longer, `most` bytes and one, by which whoever parses
// it knows. The error is the system's, without a name.
std::expected<Secret, std::string> read_file(int fd, std::size_t most = kMaxFile);
// The same of the file with that name, which must be a regular one: it is read again while clients are
// served, and nobody may hold that up.
std::expected<Secret, std::string> read_path(const std::string& path);

}  // namespace mcgate::conf
