// The command line, as far as it can be run without a server: what is asked for and which code it exits with.
#include "proxy/cli.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "protocol/command.hpp"

using namespace mcgate::proxy;

namespace {

// A file of its own name, gone with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text) : fd_{::mkstemp(name_.data())} {
    REQUIRE(fd_ >= 0);
    REQUIRE(::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  ~TemporaryFile() {
    ::close(fd_);
    ::unlink(name_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& name() const { return name_; }
  int fd() const { return fd_; }
  std::string text() const {
    std::ifstream file{name_};
    return {std::istreambuf_iterator<char>{file}, {}};
  }

 private:
  std::string name_ = "/tmp/mcgate-test-XXXXXX";
  int fd_ = -1;
};

// Sends one of the process's descriptors to a file for a while.
class Redirected {
 public:
  Redirected(std::FILE* stream, int target) : stream_{stream}, before_{::dup(::fileno(stream))} {
    std::fflush(stream_);
    ::dup2(target, ::fileno(stream_));
  }
  ~Redirected() {
    std::fflush(stream_);
    ::dup2(before_, ::fileno(stream_));
    ::close(before_);
  }
  Redirected(const Redirected&) = delete;
  Redirected& operator=(const Redirected&) = delete;

 private:
  std::FILE* stream_;
  int before_;
};

struct Ran {
  int code;
  std::string out, err;
};

Ran run(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "mcgate");
  const TemporaryFile out{""};
  const TemporaryFile err{""};
  int code = -1;
  {
    const Redirected stdout_to{stdout, out.fd()};
    const Redirected stderr_to{stderr, err.fd()};
    code = run_command_line(static_cast<int>(arguments.size()), arguments.data());
  }
  return {code, out.text(), err.text()};
}

constexpr const char* kGood =
    "[[listener]]\naddress = \"127.0.0.1:0\"\n[upstream]\naddress = \"unix:/nonexistent\"\n";

}  // namespace

TEST_CASE("check says ok, wherever -c stands") {
  const TemporaryFile file{kGood};
  const char* name = file.name().c_str();
  for (const std::vector<const char*>& arguments : {std::vector<const char*>{"check", "-c", name},
                                                    {"-c", name, "check"},
                                                    {"-t", "-c", name},
                                                    {"--config", name, "-t"},
                                                    {"-c", name, "-t", "check"}}) {
    CAPTURE(arguments.front());
    const Ran ran = run(arguments);
    CHECK(ran.code == 0);
    CHECK(ran.out == file.name() + ": ok\n");
    CHECK(ran.err.empty());
  }
}

TEST_CASE("check prints every problem with its place") {
  const TemporaryFile file{std::string{kGood} + "adress = 1\nlinks = 0\n"};
  const Ran ran = run({"check", "-c", file.name().c_str()});
  CHECK(ran.code == 1);
  CHECK(ran.out.empty());
  CHECK(ran.err == file.name() + ":5:1: unknown key \"adress\" in [upstream] (did you mean \"address\"?)\n" +
                       file.name() + ":6:9: links must be an integer from 1 to 64, not 0\n");
}

TEST_CASE("check finds a verifier that is none, at its place and unquoted") {
  const TemporaryFile file{std::string{kGood} +
                           "[[user]]\nname = \"a\"\nsecrets = [\"SCRAM-SHA-256$1:hunter2\"]\n"};
  const Ran ran = run({"check", "-c", file.name().c_str()});
  CHECK(ran.code == 1);
  CHECK(ran.err.starts_with(file.name() + ":7:12: "));
  CHECK(ran.err.find("hunter2") == std::string::npos);
}

TEST_CASE("check warns of what may not be meant, and finds no fault in it") {
  const TemporaryFile file{std::string{kGood} + "[role.r]\n"};
  const Ran ran = run({"check", "-c", file.name().c_str()});
  CHECK(ran.code == 0);
  CHECK(ran.out == file.name() + ": ok\n");
  CHECK(ran.err == file.name() + ":5:1: warning: nobody has the role \"r\"\n");
}

TEST_CASE("what is not served exits with EX_CONFIG") {
  const TemporaryFile file{"workers = 1\n"};
  const char* name = file.name().c_str();
  for (const std::vector<const char*>& arguments :
       {std::vector<const char*>{"-c", name}, {"serve", "-c", name}, {"-c", "/nonexistent/mcgate.toml"}}) {
    const Ran ran = run(arguments);
    CHECK(ran.code == EX_CONFIG);
    CHECK_FALSE(ran.err.empty());
  }
}

TEST_CASE("a wrong command line exits with EX_USAGE") {
  for (const std::vector<const char*>& arguments : {std::vector<const char*>{"frobnicate"},
                                                    {"--frobnicate"},
                                                    {"check", "extra"},
                                                    {"serve", "-t"},
                                                    {"-c"},
                                                    {"user"},
                                                    {"user", "add"},
                                                    {"user", "add", "a", "--iterations", "1"},
                                                    {"user", "passwd"},
                                                    {"serve", "check"}}) {
    CAPTURE(arguments.front());
    CHECK(run(arguments).code == EX_USAGE);
  }
}

TEST_CASE("explain exits with what it says") {
  const TemporaryFile file{std::string{kGood} +
                           "[[user]]\nname = \"u\"\nroles = [\"r\"]\n[role.r]\n"
                           "allow = [{ commands = [\"get\"], keys = [\"a*\"] }]\n"};
  const TemporaryFile broken{"workers = 1\n"};
  struct Row {
    std::vector<const char*> arguments;
    int code;
    std::string out, err;
  };
  for (const Row& row : {
           Row{{"--user", "u", "--command", "get", "--key", "ab"},
               0,
               "allowed: by role r, " + file.name() + ":9:10\n",
               ""},
           Row{{"--user", "u", "--command", "get", "--key", "b"}, 1, "refused: no grant of get", ""},
           Row{{"--user", "u", "--command", "get"}, EX_USAGE, "", "mcgate explain: get needs a key: --key\n"},
           Row{{"--user", "u", "--key", "a"}, EX_USAGE, "", "--command is required"},
           Row{{"--command", "get", "--key", "a"}, EX_USAGE, "", "mcgate explain: who asks?"},
       }) {
    std::vector<const char*> arguments{"-c", file.name().c_str(), "explain"};
    arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
    const Ran ran = run(arguments);
    CAPTURE(ran.err);
    CHECK(ran.code == row.code);
    CHECK(ran.out.starts_with(row.out));
    CHECK(ran.err.starts_with(row.err));
  }
  const Ran ran =
      run({"explain", "-c", broken.name().c_str(), "--user", "u", "--command", "get", "--key", "a"});
  CHECK(ran.code == EX_CONFIG);
}

TEST_CASE("commands lists every command that there is") {
  const Ran ran = run({"commands"});
  CHECK(ran.code == 0);
  CHECK(ran.out.starts_with("COMMAND "));
  for (const mcgate::protocol::CommandRow& row : mcgate::protocol::all_commands()) {
    CAPTURE(row.name);
    CHECK(ran.out.find("\n" + std::string{row.name} + "  ") != std::string::npos);
  }
}

TEST_CASE("version and help are no errors") {
  const Ran version = run({"--version"});
  CHECK(version.code == 0);
  CHECK(version.out == "mcgate " MCGATE_VERSION "\n");
  for (const std::vector<const char*>& arguments :
       {std::vector<const char*>{"--help"}, {"-h"}, {"user", "add", "--help"}}) {
    const Ran help = run(arguments);
    CHECK(help.code == 0);
    CHECK(help.out.find("Options:") != std::string::npos);
  }
}
