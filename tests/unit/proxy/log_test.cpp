#include "proxy/log.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace mcgate;
using namespace mcgate::proxy;
using namespace std::string_view_literals;

namespace {

// Writing to it blocks when it is full, as it does on a stderr that is inherited; reading does not.
class Pipe {
 public:
  Pipe() {
    REQUIRE(::pipe2(ends_.data(), O_CLOEXEC) == 0);
    REQUIRE(::fcntl(ends_[0], F_SETFL, O_NONBLOCK) == 0);
  }
  ~Pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int writing_end() const { return ends_[1]; }
  std::string read() const {
    std::string all;
    std::array<char, 4096> buffer;
    for (ssize_t got = 0; (got = ::read(ends_[0], buffer.data(), buffer.size())) > 0;) {
      all.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  std::array<int, 2> ends_{};
};

// What blocks fails: the signal ends the process.
class Deadline {
 public:
  Deadline() { ::alarm(60); }
  ~Deadline() { ::alarm(0); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
};

// The line written, without its time; the time is checked.
std::string written(conf::LogFormat format, std::string_view event, std::initializer_list<Field> fields) {
  const Pipe pipe;
  const Log log{{.format = format, .level = conf::LogLevel::Debug}, pipe.writing_end()};
  log.info(event, fields);
  const std::string line = pipe.read();
  static const std::regex kTime{
      R"((ts=|"ts":")[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z)"};
  std::smatch time;
  REQUIRE(std::regex_search(line, time, kTime));
  REQUIRE(time.position() <= 1);
  return std::regex_replace(line, kTime, "$1T");
}

// What clients may send to forge a line, and how it stands in quotes, in both formats.
struct Forgery {
  std::string_view value, quoted;
};
const std::vector<Forgery> kForgeries{
    {"x\nts=1 level=error event=hacked", R"("x\nts=1 level=error event=hacked")"},
    {"x\r\n", R"("x\r\n")"},
    {"x user=admin", R"("x user=admin")"},
    {"x\" user=\"admin", R"("x\" user=\"admin")"},
    {"x\",\"user\":\"admin", R"("x\",\"user\":\"admin")"},
    {"back\\slash\"", R"("back\\slash\"")"},
    {"x\0y"sv, R"("x\u0000y")"},
    {"\x1b[2J\x7f", R"("\u001b[2J\u007f")"},
    {"caf\xc3\xa9", R"("caf\u00e9")"},
    {"\xe2\x80\xa8\xc2\x85", R"("\u2028\u0085")"},
    {"\xff\xc3", R"("\ufffd\ufffd")"},
    {"tab\there", R"("tab\there")"},
    {"", R"("")"},
};

}  // namespace

TEST_CASE("logfmt: keys and values, quoted only where they need it") {
  CHECK(written(conf::LogFormat::Logfmt, "login",
                {{"user", "shop-web"}, {"peer", "10.0.0.1:4711"}, {"n", 3}}) ==
        "ts=T level=info event=login user=shop-web peer=10.0.0.1:4711 n=3\n");
  CHECK(written(conf::LogFormat::Logfmt, "two words", {{"ok", true}, {"no", false}, {"below", -1}}) ==
        "ts=T level=info event=\"two words\" ok=true no=false below=-1\n");
}

TEST_CASE("JSON: one object, in order") {
  CHECK(written(conf::LogFormat::Json, "login", {{"user", "a"}, {"n", std::uint64_t{7}}, {"ok", true}}) ==
        "{\"ts\":\"T\",\"level\":\"info\",\"event\":\"login\",\"user\":\"a\",\"n\":7,\"ok\":true}\n");
}

TEST_CASE("no value forges a line, a field or a terminal's escape") {
  for (const Forgery& row : kForgeries) {
    CAPTURE(row.quoted);
    CHECK(written(conf::LogFormat::Logfmt, "e", {{"key", row.value}, {"end", 1}}) ==
          "ts=T level=info event=e key=" + std::string{row.quoted} + " end=1\n");
    const std::string json = written(conf::LogFormat::Json, "e", {{"key", row.value}, {"end", 1}});
    CHECK(json == "{\"ts\":\"T\",\"level\":\"info\",\"event\":\"e\",\"key\":" + std::string{row.quoted} +
                      ",\"end\":1}\n");
    CHECK(nlohmann::json::accept(json));
  }
}

TEST_CASE("every byte leaves one line of printable ASCII") {
  for (int byte = 0; byte < 256; ++byte) {
    CAPTURE(byte);
    const std::string value{'a', static_cast<char>(byte), 'b'};
    for (const conf::LogFormat format : {conf::LogFormat::Logfmt, conf::LogFormat::Json}) {
      const std::string line = written(format, value, {{"key", value}});
      REQUIRE(line.back() == '\n');
      CHECK(std::all_of(line.begin(), line.end() - 1, [](char c) { return c >= 0x20 && c < 0x7f; }));
    }
  }
}

TEST_CASE("a field cannot take the place of the time, the level or the event") {
  const std::string line = written(conf::LogFormat::Json, "e", {{"event", "other"}, {"level", "none"}});
  CHECK(line == "{\"ts\":\"T\",\"level\":\"info\",\"event\":\"e\"}\n");
}

TEST_CASE("an endless value is cut") {
  const std::string value(100'000, 'x');
  CHECK(written(conf::LogFormat::Logfmt, "e", {{"key", value}}).size() < 2000);
  CHECK(written(conf::LogFormat::Json, "e", {{"key", value}}).size() < 2000);
}

TEST_CASE("what is below the level is not written") {
  const Pipe pipe;
  const Log log{{.level = conf::LogLevel::Warning}, pipe.writing_end()};
  log.debug("debug", {});
  log.info("info", {});
  log.write(conf::LogLevel::Info, "write", {});
  CHECK(pipe.read().empty());
  log.warning("warning", {});
  log.error("error", {});
  const std::string lines = pipe.read();
  CHECK(lines.find("event=warning\n") != std::string::npos);
  CHECK(lines.find("event=error\n") != std::string::npos);
}

TEST_CASE("no line is longer than a pipe takes in one piece, however many long values and escapes") {
  const std::string long_value(10'000, 'x'), escaped(10'000, '\0');
  for (const std::string& value : {long_value, escaped}) {
    for (const conf::LogFormat format : {conf::LogFormat::Logfmt, conf::LogFormat::Json}) {
      const std::string line =
          written(format, value, {{"a", value}, {"b", value}, {"c", value}, {"d", value}, {"end", 1}});
      CHECK(line.size() > PIPE_BUF / 4);
      CHECK(line.size() <= PIPE_BUF);
      CHECK((line.ends_with(" end=1\n") || line.ends_with(",\"end\":1}\n")));
    }
  }
}

TEST_CASE("a log that nobody reads loses lines, whole ones, says how many, and does not block") {
  const Pipe pipe;
  const Log log{{.level = conf::LogLevel::Error}, pipe.writing_end()};
  const Deadline deadline;
  for (int i = 0; i < 10'000; ++i) log.error("event", {{"n", i}});
  CHECK((::fcntl(pipe.writing_end(), F_GETFL) & O_NONBLOCK) == 0);
  const std::string lines = pipe.read();
  const auto kept = std::ranges::count(lines, '\n');
  CHECK(kept > 100);
  CHECK(kept < 10'000);
  CHECK(lines.ends_with(" n=" + std::to_string(kept - 1) + "\n"));  // none is missing in between
  log.error("again", {});
  const std::string after = pipe.read();
  CHECK(after.find(" event=lines_dropped count=" + std::to_string(10'000 - kept) + "\n") != after.npos);
  CHECK(std::ranges::count(after, '\n') == 2);
  CHECK(after.ends_with(" level=error event=again\n"));
  log.error("more", {});
  CHECK(std::ranges::count(pipe.read(), '\n') == 1);
}

TEST_CASE("what the descriptor refuses is counted, too") {
  const Pipe pipe;
  const int fd = ::open("/dev/full", O_WRONLY | O_CLOEXEC);  // as a disk that is full
  REQUIRE(fd >= 0);
  const Log log{{}, fd};
  log.info("lost", {});
  log.info("lost", {});
  REQUIRE(::dup3(pipe.writing_end(), fd, O_CLOEXEC) == fd);
  log.info("event", {});
  ::close(fd);
  const std::string lines = pipe.read();
  CHECK(lines.find(" event=lines_dropped count=2\n") != lines.npos);
  CHECK(lines.ends_with(" event=event\n"));
}

TEST_CASE("several threads' lines are whole, and each is written or counted") {
  constexpr int kThreads = 4, kLines = 2'000;
  const Pipe pipe;
  const Log log{{}, pipe.writing_end()};
  const Deadline deadline;
  std::atomic<int> writing = kThreads;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kLines; ++i) log.info("event", {{"value", std::string(300, 'x')}});
      --writing;
    });
  }
  std::string lines;
  while (writing > 0) lines += pipe.read();
  threads.clear();
  lines += pipe.read();
  log.info("event", {{"value", std::string(300, 'x')}});  // there is room: the last count is told
  lines += pipe.read();

  static const std::regex kLine{
      R"(ts=\S+ level=(info event=event value=x{300}|warning event=lines_dropped count=([0-9]+)))"};
  long told = 0;
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = lines.find('\n', begin)) != lines.npos; begin = end + 1) {
    const std::string line = lines.substr(begin, end - begin);
    CAPTURE(line);
    std::smatch parts;
    REQUIRE(std::regex_match(line, parts, kLine));
    told += parts[2].matched ? std::stol(parts[2]) : 1;
  }
  CHECK(begin == lines.size());
  CHECK(told == kThreads * kLines + 1);
}
