// The log: one line per event on stderr, logfmt or JSON. Any thread; each line is one write of at most
// PIPE_BUF bytes.
//
// A log that nobody reads never stops the service: a line that cannot be written at once is dropped and
// counted, and event=lines_dropped says how many were as soon as there is room again.
//
// Values are escaped, so that nothing a client sends can forge a line. Callers never pass a secret or a
// value of memcached's.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "conf/config.hpp"

namespace mcgate::proxy {

struct Field {
  std::string_view key;
  std::variant<std::string_view, std::int64_t, bool> value;

  Field(std::string_view k, std::string_view v) : key{k}, value{v} {}
  Field(std::string_view k, const char* v) : key{k}, value{std::string_view{v}} {}
  Field(std::string_view k, const std::string& v) : key{k}, value{std::string_view{v}} {}
  template <typename T>
    requires std::is_integral_v<T>
  Field(std::string_view k, T v) : key{k}, value{convert(v)} {}

 private:
  template <typename T>
  static std::variant<std::string_view, std::int64_t, bool> convert(T v) {
    if constexpr (std::is_same_v<T, bool>)
      return v;
    else
      return static_cast<std::int64_t>(v);
  }
};

class Log {
 public:
  explicit Log(const conf::Log& settings, int fd = 2);

  bool enabled(conf::LogLevel level) const { return level >= level_; }
  // How many lines could not be written, ever.
  std::uint64_t dropped() const;
  // ts, level and event come first, then the fields in their order; long values are cut.
  void write(conf::LogLevel level, std::string_view event, std::initializer_list<Field> fields) const;

  // A whole line of the audit trail, at most PIPE_BUF bytes with its end; false if there is no room for it
  // now.
  bool append(std::string_view line) const;

  // A line at level error on the way out: whoever held the lock may never give it back, and memory may be
  // out.
  void last_words(std::string_view event, std::string_view reason) const noexcept;

  void debug(std::string_view event, std::initializer_list<Field> fields) const {
    if (enabled(conf::LogLevel::Debug)) write(conf::LogLevel::Debug, event, fields);
  }
  void info(std::string_view event, std::initializer_list<Field> fields) const {
    if (enabled(conf::LogLevel::Info)) write(conf::LogLevel::Info, event, fields);
  }
  void warning(std::string_view event, std::initializer_list<Field> fields) const {
    if (enabled(conf::LogLevel::Warning)) write(conf::LogLevel::Warning, event, fields);
  }
  void error(std::string_view event, std::initializer_list<Field> fields) const {
    if (enabled(conf::LogLevel::Error)) write(conf::LogLevel::Error, event, fields);
  }

 private:
  std::string compose(conf::LogLevel level, std::string_view event,
                      std::initializer_list<Field> fields) const;

  conf::LogFormat format_;
  conf::LogLevel level_;
  int fd_;
  mutable std::mutex mutex_;  // held from asking for room to using it, so that no other thread takes it
  mutable std::uint64_t dropped_ = 0;  // and not told of yet
  mutable std::uint64_t dropped_ever_ = 0;
};

}  // namespace mcgate::proxy
