#include "proxy/log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>

namespace mcgate::proxy {
namespace {

// A value is cut after so many bytes: a line stays short, whatever a client sends.
constexpr std::size_t kMaxValue = 1024;

std::string_view cut(std::string_view text) {
  return text.substr(0, kMaxValue);
}

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

// RFC 3339, UTC, milliseconds.
std::string timestamp(std::chrono::system_clock::time_point now) {
  const auto since_epoch = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch());
  return fmt::format(
      "{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
      fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(now))),
      since_epoch.count() % 1000);
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

void append_logfmt(std::string& line, std::string_view value) {
  value = cut(value);
  if (is_plain(value)) {
    line.append(value);
  } else {
    line.append(dump(nlohmann::json(value)));
  }
}
void append_logfmt(std::string& line, std::int64_t value) {
  fmt::format_to(std::back_inserter(line), "{}", value);
}
void append_logfmt(std::string& line, bool value) {
  line.append(value ? "true" : "false");
}

std::string logfmt_line(std::string_view ts, conf::LogLevel level, std::string_view event,
                        std::initializer_list<Field> fields) {
  std::string line = fmt::format("ts={} level={} event=", ts, name(level));
  append_logfmt(line, event);
  for (const Field& field : fields) {
    line.append(1, ' ').append(field.key).append(1, '=');
    std::visit([&](auto value) { append_logfmt(line, value); }, field.value);
  }
  return line;
}

std::string json_line(std::string_view ts, conf::LogLevel level, std::string_view event,
                      std::initializer_list<Field> fields) {
  nlohmann::ordered_json object{{"ts", ts}, {"level", name(level)}, {"event", cut(event)}};
  for (const Field& field : fields) {
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      object.emplace(field.key, cut(*text));
    } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
      object.emplace(field.key, *number);
    } else {
      object.emplace(field.key, std::get<bool>(field.value));
    }
  }
  return dump(object);
}

}  // namespace

Log::Log(const conf::Log& settings, int fd) : format_{settings.format}, level_{settings.level}, fd_{fd} {}

void Log::write(conf::LogLevel level, std::string_view event, std::initializer_list<Field> fields) const {
  if (!enabled(level)) return;
  const std::string ts = timestamp(std::chrono::system_clock::now());
  std::string line;
  switch (format_) {
    case conf::LogFormat::Logfmt:
      line = logfmt_line(ts, level, event, fields);
      break;
    case conf::LogFormat::Json:
      line = json_line(ts, level, event, fields);
      break;
  }
  line.append(1, '\n');
  // One write, so that lines of several threads do not mix. What cannot be written is lost: a log that
  // nobody reads must not stop the service.
  while (::write(fd_, line.data(), line.size()) < 0 && errno == EINTR) {
  }
}

}  // namespace mcgate::proxy
