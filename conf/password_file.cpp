#include "conf/password_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <expected>
#include <unordered_map>
#include <utility>

namespace mcgate::conf {
namespace {

constexpr std::size_t kLongestName = 255;  // as of [[user]]

bool holds_control_or_space(std::string_view name) {
  return std::ranges::any_of(name, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7f;
  });
}

std::expected<std::pair<std::string_view, std::string_view>, std::string_view> read_line(
    std::string_view line, PasswordFormat format, std::size_t longest_password) {
  const auto colon = line.find(':');
  if (colon == line.npos) return std::unexpected{"there is no colon between user and password"};
  const auto name = line.substr(0, colon);
  auto password = line.substr(colon + 1);
  if (name.empty()) return std::unexpected{"the user's name is empty"};
  if (name.size() > kLongestName) return std::unexpected{"the user's name is longer than 255 bytes"};
  if (holds_control_or_space(name))
    return std::unexpected{"the user's name holds a space or a control character"};
  if (const auto end = password.find(':'); end != password.npos) {
    if (format == PasswordFormat::Either) {
      return std::unexpected{
          "there is a second colon: --format auth-file makes it part of the password, --format pwdb ends the "
          "password there"};
    }
    if (format == PasswordFormat::Pwdb) password = password.substr(0, end);
  }
  if (password.empty()) return std::unexpected{"the password is empty"};
  if (password.size() > longest_password) return std::unexpected{"the password is too long"};
  if (password.contains('\0')) return std::unexpected{"the password holds a NUL"};
  return std::pair{name, password};
}

}  // namespace

Imported read_password_file(std::string_view text, const std::string& file, PasswordFormat format,
                            std::size_t longest_password) {
  Imported found;
  std::unordered_map<std::string_view, std::uint32_t> lines;
  for (std::uint32_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto read = read_line(line, format, longest_password);
    if (!read) {
      found.problems.push_back({file, {number, 1}, std::string{read.error()}});
      continue;
    }
    const auto [first, is_new] = lines.emplace(read->first, number);
    if (is_new) {
      found.users.push_back({{number, 1}, std::string{read->first}, Secret{read->second}});
    } else {
      found.problems.push_back(
          {file, {number, 1}, fmt::format("this user is there already, in line {}", first->second)});
    }
  }
  return found;
}

}  // namespace mcgate::conf
