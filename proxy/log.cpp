#include "proxy/log.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <nlohmann/json.hpp>

#include "proxy/timestamp.hpp"

namespace mcgate::proxy {
namespace {

// A value is cut after so many bytes: a line stays short, whatever a client sends.
constexpr std::size_t kMaxValue = 1024;
// A pipe that poll() calls writable takes so much without blocking, and keeps it in one piece.
constexpr std::size_t kMaxLine = PIPE_BUF;

std::string_view name(conf::LogLevel level) {
  switch (level) {
    case conf::LogLevel::Debug:
      return "debug";
    case conf::LogLevel::Info:
      return "info";
    case conf::LogLevel::Warning:
      return "warning";
    case conf::LogLevel::Error:
      return "error";
  }
  return {};
}

// ASCII only; bytes that are not UTF-8 become U+FFFD.
template <typename Json>
std::string dump(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

bool is_plain(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != '=' && c != '\\';
  });
}

void append_logfmt(std::string& line, std::string_view value, std::size_t longest) {
  value = value.substr(0, longest);
  if (is_plain(value)) {
    line.append(value);
  } else {
    line.append(dump(nlohmann::json(value)));
  }
}
void append_logfmt(std::string& line, std::int64_t value, std::size_t) {
  fmt::format_to(std::back_inserter(line), "{}", value);
}
void append_logfmt(std::string& line, bool value, std::size_t) {
  line.append(value ? "true" : "false");
}

std::string logfmt_line(std::string_view ts, conf::LogLevel level, std::string_view event,
                        std::initializer_list<Field> fields, std::size_t longest) {
  std::string line = fmt::format("ts={} level={} event=", ts, name(level));
  append_logfmt(line, event, longest);
  for (const Field& field : fields) {
    line.append(1, ' ').append(field.key).append(1, '=');
    std::visit([&](auto value) { append_logfmt(line, value, longest); }, field.value);
  }
  return line;
}

std::string json_line(std::string_view ts, conf::LogLevel level, std::string_view event,
                      std::initializer_list<Field> fields, std::size_t longest) {
  nlohmann::ordered_json object{{"ts", ts}, {"level", name(level)}, {"event", event.substr(0, longest)}};
  for (const Field& field : fields) {
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      object.emplace(field.key, text->substr(0, longest));
    } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
      object.emplace(field.key, *number);
    } else {
      object.emplace(field.key, std::get<bool>(field.value));
    }
  }
  return dump(object);
}

bool writable(int fd) {
  pollfd wanted{.fd = fd, .events = POLLOUT, .revents = 0};
  return ::poll(&wanted, 1, 0) == 1 && (wanted.revents & POLLOUT) != 0;
}

// False if the line could not be written without waiting, and so was not.
bool write_line(int fd, std::string_view line) {
  // The descriptor is inherited: O_NONBLOCK would be set for the others who have it, too.
  if (line.size() > kMaxLine || !writable(fd)) return false;
  ssize_t written = 0;
  do {
    written = ::write(fd, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  return written == static_cast<ssize_t>(line.size());
}

}  // namespace

Log::Log(const conf::Log& settings, int fd) : format_{settings.format}, level_{settings.level}, fd_{fd} {}

std::string Log::compose(conf::LogLevel level, std::string_view event,
                         std::initializer_list<Field> fields) const {
  const std::string ts = timestamp(std::chrono::system_clock::now());
  std::string line;
  // Escapes make a value up to six times as long, so what fits is known only afterwards.
  for (std::size_t longest = kMaxValue; longest > 0; longest /= 2) {
    switch (format_) {
      case conf::LogFormat::Logfmt:
        line = logfmt_line(ts, level, event, fields, longest);
        break;
      case conf::LogFormat::Json:
        line = json_line(ts, level, event, fields, longest);
        break;
    }
    if (line.size() < kMaxLine) break;
  }
  line.append(1, '\n');
  return line;
}

void Log::write(conf::LogLevel level, std::string_view event, std::initializer_list<Field> fields) const {
  if (!enabled(level)) return;
  const std::string line = compose(level, event, fields);
  const std::lock_guard lock{mutex_};
  if (dropped_ > 0 && writable(fd_) &&
      write_line(fd_, compose(conf::LogLevel::Warning, "lines_dropped", {{"count", dropped_}})))
    dropped_ = 0;
  if (dropped_ == 0 && write_line(fd_, line)) return;
  ++dropped_;
  ++dropped_ever_;
}

bool Log::append(std::string_view line) const {
  const std::lock_guard lock{mutex_};
  return write_line(fd_, line);
}

std::uint64_t Log::dropped() const {
  const std::lock_guard lock{mutex_};
  return dropped_ever_;
}

void Log::last_words(std::string_view event, std::string_view reason) const noexcept {
  try {
    write_line(fd_, compose(conf::LogLevel::Error, event, {{"reason", reason}}));
  } catch (...) {
    switch (format_) {
      case conf::LogFormat::Logfmt:
        write_line(fd_, "level=error event=fatal reason=\"out of memory\"\n");
        break;
      case conf::LogFormat::Json:
        write_line(fd_, "{\"level\":\"error\",\"event\":\"fatal\",\"reason\":\"out of memory\"}\n");
        break;
    }
  }
}

}  // namespace mcgate::proxy
