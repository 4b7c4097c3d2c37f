#include "tests/bench/loadgen/dialect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>

namespace mcgate::bench {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

constexpr std::size_t kHeader = 24;
constexpr unsigned char kRequestMagic = 0x80;
constexpr unsigned char kReplyMagic = 0x81;
constexpr std::uint16_t kMissStatus = 1;
enum class Opcode : unsigned char { Set = 0x01, Noop = 0x0a, GetK = 0x0c, GetKQ = 0x0d, SaslAuth = 0x21 };

std::string_view word_at(std::string_view line, std::size_t index) {
  for (; index > 0; --index) line.remove_prefix(std::min(line.find(' '), line.size() - 1) + 1);
  return line.substr(0, line.find(' '));
}

// A line that announces `size` bytes of data, which follow it.
std::optional<Item> value_item(std::string_view in, std::size_t line_size, std::string_view key,
                               std::string_view size) {
  std::size_t length = 0;
  const auto [end, fault] = std::from_chars(size.data(), size.data() + size.size(), length);
  if (fault != std::errc{} || end != size.data() + size.size())
    return Item{Item::Kind::Error, {}, in.substr(0, line_size), line_size};
  const std::size_t whole = line_size + length + kLineEnd.size();
  if (in.size() < whole) return std::nullopt;
  return Item{Item::Kind::Value, key, in.substr(line_size, length), whole};
}

std::optional<Item> next_line_item(std::string_view in) {
  const std::size_t end = in.find(kLineEnd);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = in.substr(0, end);
  const std::size_t size = end + kLineEnd.size();
  if (line.starts_with("VALUE ")) return value_item(in, size, word_at(line, 1), word_at(line, 3));
  if (line.starts_with("VA ")) {
    std::string_view key = word_at(line, 2);
    key.remove_prefix(std::min<std::size_t>(key.size(), 1));  // the "k" before it
    return value_item(in, size, key, word_at(line, 1));
  }
  if (line == "END" || line == "MN") return Item{Item::Kind::End, {}, {}, size};
  if (line == "STORED" || line == "HD") return Item{Item::Kind::Stored, {}, {}, size};
  if (line == "EN" || line.starts_with("EN ")) return Item{Item::Kind::Miss, {}, {}, size};
  return Item{Item::Kind::Error, {}, line, size};
}

std::uint32_t number_at(std::string_view in, std::size_t at, std::size_t bytes) {
  std::uint32_t number = 0;
  for (const char byte : in.substr(at, bytes)) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

std::optional<Item> next_packet_item(std::string_view in) {
  if (in.size() < kHeader) return std::nullopt;
  if (static_cast<unsigned char>(in[0]) != kReplyMagic)
    return Item{Item::Kind::Error, {}, "not a binary packet", in.size()};
  const std::size_t size = kHeader + number_at(in, 8, 4);
  if (in.size() < size) return std::nullopt;
  const Opcode opcode{static_cast<unsigned char>(in[1])};
  const std::uint32_t key_size = number_at(in, 2, 2);
  const std::uint32_t extras = number_at(in, 4, 1);
  const std::uint32_t status = number_at(in, 6, 2);
  const std::string_view body = in.substr(kHeader, size - kHeader);
  const bool is_get = opcode == Opcode::GetK || opcode == Opcode::GetKQ;
  if (is_get && status == kMissStatus) return Item{Item::Kind::Miss, {}, {}, size};
  if (status != 0 || body.size() < extras + key_size) return Item{Item::Kind::Error, {}, body, size};
  if (is_get)
    return Item{Item::Kind::Value, body.substr(extras, key_size), body.substr(extras + key_size), size};
  return Item{opcode == Opcode::Noop ? Item::Kind::End : Item::Kind::Stored, {}, {}, size};
}

void write_number(std::uint64_t number, std::size_t bytes, std::string& out) {
  while (bytes > 0) out += static_cast<char>(number >> (8 * --bytes) & 0xff);
}

void write_packet(Opcode opcode, std::string_view extras, std::string_view key, std::string_view value,
                  std::string& out) {
  out += static_cast<char>(kRequestMagic);
  out += static_cast<char>(opcode);
  write_number(key.size(), 2, out);
  write_number(extras.size(), 1, out);
  write_number(0, 3, out);  // data type, vbucket
  write_number(extras.size() + key.size() + value.size(), 4, out);
  write_number(0, 12, out);  // opaque, cas
  out.append(extras).append(key).append(value);
}

}  // namespace

std::optional<Item> next_item(Dialect dialect, std::string_view in) {
  return dialect == Dialect::Binary ? next_packet_item(in) : next_line_item(in);
}

bool has_end(Dialect dialect, std::size_t keys) {
  return dialect == Dialect::Text || keys > 1;
}

void write_get(Dialect dialect, std::span<const std::string> keys, std::string& out) {
  const bool fenced = keys.size() > 1;
  switch (dialect) {
    case Dialect::Text:
      out += "get";
      for (const std::string& key : keys) out.append(" ").append(key);
      out += kLineEnd;
      return;
    case Dialect::Meta:
      for (const std::string& key : keys)
        out.append("mg ").append(key).append(fenced ? " k v q\r\n" : " k v\r\n");
      if (fenced) out += "mn\r\n";
      return;
    case Dialect::Binary:
      for (const std::string& key : keys)
        write_packet(fenced ? Opcode::GetKQ : Opcode::GetK, {}, key, {}, out);
      if (fenced) write_packet(Opcode::Noop, {}, {}, {}, out);
      return;
  }
}

void write_set(Dialect dialect, std::string_view key, std::string_view value, std::string& out) {
  switch (dialect) {
    case Dialect::Text:
      fmt::format_to(std::back_inserter(out), "set {} 0 0 {}\r\n", key, value.size());
      out.append(value).append(kLineEnd);
      return;
    case Dialect::Meta:
      fmt::format_to(std::back_inserter(out), "ms {} {}\r\n", key, value.size());
      out.append(value).append(kLineEnd);
      return;
    case Dialect::Binary: {
      constexpr std::string_view flags_and_exptime{"\0\0\0\0\0\0\0\0", 8};
      write_packet(Opcode::Set, flags_and_exptime, key, value, out);
      return;
    }
  }
}

void write_login(Login login, std::string_view user, std::string_view password, std::string& out) {
  switch (login) {
    case Login::None:
      return;
    case Login::Text: {
      const std::string pair = fmt::format("{} {}", user, password);
      fmt::format_to(std::back_inserter(out), "set login 0 0 {}\r\n{}\r\n", pair.size(), pair);
      return;
    }
    case Login::Sasl: {
      std::string response{'\0'};
      response.append(user).append(1, '\0').append(password);
      write_packet(Opcode::SaslAuth, {}, "PLAIN", response, out);
      return;
    }
  }
}

}  // namespace mcgate::bench
