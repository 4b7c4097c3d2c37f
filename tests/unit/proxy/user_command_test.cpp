#include "proxy/user_command.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "auth/directory.hpp"
#include "auth/sasl.hpp"
#include "conf/config.hpp"
#include "proxy/handles.hpp"

namespace mcgate::proxy {
namespace {

constexpr std::string_view kConfig =
    "# ours\n[[listener]]\naddress = \"127.0.0.1:11211\" # here\n[upstream]\naddress = \"127.0.0.1:11212\"\n"
    "[role.web]\nallow = [{ commands = [\"read\"], keys = [\"*\"] }]\n";

// A directory with a configuration, gone at the end; stdin from a file, stdout into one.
class Workshop {
 public:
  Workshop() {
    char pattern[] = "/tmp/mcgate-user-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    write(config(), kConfig);
  }
  ~Workshop() { std::filesystem::remove_all(directory_); }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  std::string config() const { return path("mcgate.toml"); }
  std::size_t files() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator{directory_}) ++count;
    return count;
  }

  static void write(const std::string& file, std::string_view text) {
    std::ofstream{file, std::ios::binary} << text;
  }
  static std::string read(const std::string& file) {
    std::ostringstream text;
    text << std::ifstream{file, std::ios::binary}.rdbuf();
    return text.str();
  }

  struct Ran {
    int code;
    std::string out;
    std::string err;
  };
  template <typename Command>
  Ran run(std::string_view input, const Command& command) {
    write(path("in"), input);
    const Redirect in{STDIN_FILENO, path("in"), O_RDONLY};
    const Redirect out{STDOUT_FILENO, path("out"), O_WRONLY | O_CREAT | O_TRUNC};
    const Redirect err{STDERR_FILENO, path("err"), O_WRONLY | O_CREAT | O_TRUNC};
    const int code = command();
    std::fflush(stdout);
    std::fflush(stderr);
    return {code, read(path("out")), read(path("err"))};
  }

 private:
  class Redirect {
   public:
    Redirect(int fd, const std::string& file, int flags) : fd_{fd}, saved_{::dup(fd)} {
      std::fflush(nullptr);
      const Fd opened{::open(file.c_str(), flags, 0600)};
      ::dup2(opened.get(), fd);
    }
    ~Redirect() {
      std::fflush(nullptr);
      ::dup2(saved_.get(), fd_);
    }
    Redirect(const Redirect&) = delete;
    Redirect& operator=(const Redirect&) = delete;

   private:
    int fd_;
    Fd saved_;
  };

  std::string directory_;
};

UserAddOptions add_options(const Workshop& shop, std::string name = "alice") {
  UserAddOptions options;
  options.config_file = shop.config();
  options.name = std::move(name);
  options.roles = {"web"};
  options.iterations = auth::kMinIterations;
  return options;
}

UserPasswdOptions passwd_options(const Workshop& shop, std::string name = "alice") {
  UserPasswdOptions options;
  options.config_file = shop.config();
  options.name = std::move(name);
  options.iterations = auth::kMinIterations;
  return options;
}

bool logs_in(const std::string& text, std::string_view user, std::string_view password) {
  const auto config = conf::parse(text, "test");
  REQUIRE(config.has_value());
  const auto directory = auth::Directory::build(*config);
  REQUIRE(directory.has_value());
  const auto outcome = auth::check_password(*directory, {.unix_socket = true, .ip = {}, .port = 0}, user,
                                            password, auth::Proof::Plain);
  return std::holds_alternative<auth::Granted>(outcome);
}

TEST_CASE("user add: a password from one line of stdin; the file keeps what it had") {
  Workshop shop;
  const auto ran = shop.run("correct horse\nand no more\n", [&] { return user_add(add_options(shop)); });
  REQUIRE_MESSAGE(ran.code == EX_OK, ran.err);
  CHECK(ran.out.empty());
  const auto text = Workshop::read(shop.config());
  CHECK(text.starts_with(kConfig));
  CHECK(text.find("correct horse") == std::string::npos);
  CHECK(logs_in(text, "alice", "correct horse"));
  CHECK_FALSE(logs_in(text, "alice", "correct horse\n"));
  const auto directory = auth::Directory::build(conf::parse(text, "test").value()).value();
  CHECK(directory.mechanisms(true, false) == "PLAIN SCRAM-SHA-256 SCRAM-SHA-512");
  CHECK(directory.find("alice")->policy->allows(protocol::Command::Get, "k"));
  CHECK(shop.files() == 4);  // configuration, in, out, err; nothing left behind
}

TEST_CASE("user commands write where the user is, and new ones into the users file") {
  Workshop shop;
  REQUIRE(shop.run("first\n", [&] { return user_add(add_options(shop, "main")); }).code == EX_OK);
  const std::string before = "users_file = \"users.toml\"\n" + Workshop::read(shop.config());
  Workshop::write(shop.config(), before);
  CHECK(shop.run("x\n", [&] { return user_add(add_options(shop)); }).code == EX_DATAERR);  // no such file
  Workshop::write(shop.path("users.toml"), "# theirs\n");

  const auto added = shop.run("correct horse\n", [&] { return user_add(add_options(shop)); });
  REQUIRE_MESSAGE(added.code == EX_OK, added.err);
  CHECK(shop.run("y\n", [&] { return user_add(add_options(shop)); }).code == EX_DATAERR);
  CHECK(shop.run("y\n", [&] { return user_add(add_options(shop, "main")); }).code == EX_DATAERR);
  CHECK(Workshop::read(shop.config()) == before);
  const auto users = Workshop::read(shop.path("users.toml"));
  CHECK(users.starts_with("# theirs\n"));

  REQUIRE(shop.run("second\n", [&] { return user_passwd(passwd_options(shop)); }).code == EX_OK);
  CHECK(Workshop::read(shop.config()) == before);
  CHECK(Workshop::read(shop.path("users.toml")) != users);
  const auto after = Workshop::read(shop.path("users.toml"));
  REQUIRE(shop.run("third\n", [&] { return user_passwd(passwd_options(shop, "main")); }).code == EX_OK);
  CHECK(Workshop::read(shop.config()) != before);
  CHECK(Workshop::read(shop.path("users.toml")) == after);

  const auto config = conf::load(shop.config());
  REQUIRE(config.has_value());
  const auto directory = auth::Directory::build(*config).value();
  const auto lets_in = [&](std::string_view user, std::string_view password) {
    const auto outcome = auth::check_password(directory, {.unix_socket = true, .ip = {}, .port = 0}, user,
                                              password, auth::Proof::Plain);
    return std::holds_alternative<auth::Granted>(outcome);
  };
  CHECK(lets_in("alice", "second"));
  CHECK_FALSE(lets_in("alice", "correct horse"));
  CHECK(lets_in("main", "third"));
}

TEST_CASE("user add: bad passwords and names change nothing") {
  using namespace std::string_literals;
  struct Row {
    std::string input, name;
  };
  for (const auto& row : {Row{"", "alice"}, Row{"\n", "alice"}, Row{"a\0b\n"s, "alice"},
                          Row{std::string(1025, 'x') + "\n", "alice"}, Row{"pw\n", ""}, Row{"pw\n", "a b"},
                          Row{"pw\n", "a\nb"}, Row{"pw\n", std::string(256, 'a')}}) {
    CAPTURE(row.name);
    CAPTURE(row.input.size());
    Workshop shop;
    const auto ran = shop.run(row.input, [&] { return user_add(add_options(shop, row.name)); });
    CHECK(ran.code == EX_DATAERR);
    CHECK_FALSE(ran.err.empty());
    CHECK(Workshop::read(shop.config()) == kConfig);
    auto printing = add_options(shop, row.name);
    printing.print = true;
    CHECK(shop.run(row.input, [&] { return user_add(printing); }).out.empty());
  }
  Workshop shop;
  CHECK(shop.run(std::string(1024, 'x') + "\n", [&] { return user_add(add_options(shop)); }).code == EX_OK);
  CHECK(shop.run("without newline", [&] { return user_add(add_options(shop, "bob")); }).code == EX_OK);
  CHECK(logs_in(Workshop::read(shop.config()), "bob", "without newline"));
}

TEST_CASE("user add: of the end of a line one carriage return is part, and only with its newline") {
  struct Row {
    std::string input, password;  // none: refused
  };
  const std::string longest(1024, 'x');
  for (const auto& row : {Row{"pw\r\n", "pw"}, Row{"pw\r\r\n", "pw\r"}, Row{"pw\r", "pw\r"},
                          Row{"p\rw\n", "p\rw"}, Row{"\r\n", ""}, Row{longest + "\r\n", longest},
                          Row{longest + "x\n", ""}, Row{longest + "x\r\n", ""}, Row{longest + "\r", ""}}) {
    CAPTURE(row.input.size());
    CAPTURE(row.password);
    Workshop shop;
    const auto ran = shop.run(row.input, [&] { return user_add(add_options(shop)); });
    REQUIRE(ran.code == (row.password.empty() ? EX_DATAERR : EX_OK));
    if (!row.password.empty()) CHECK(logs_in(Workshop::read(shop.config()), "alice", row.password));
  }
}

TEST_CASE("user add: twice the same user, a role that is not there, a file that is not") {
  Workshop shop;
  REQUIRE(shop.run("pw\n", [&] { return user_add(add_options(shop)); }).code == EX_OK);
  const auto before = Workshop::read(shop.config());
  auto ran = shop.run("pw2\n", [&] { return user_add(add_options(shop)); });
  CHECK(ran.code == EX_DATAERR);
  CHECK(ran.err.find("alice") != std::string::npos);
  auto options = add_options(shop, "bob");
  options.roles = {"ghost"};
  ran = shop.run("pw\n", [&] { return user_add(options); });
  CHECK(ran.code == EX_DATAERR);
  CHECK(ran.err.find("ghost") != std::string::npos);
  options = add_options(shop, "bob");
  options.iterations = 10;
  CHECK(shop.run("pw\n", [&] { return user_add(options); }).code == EX_USAGE);
  options = add_options(shop, "bob");
  options.config_file = shop.path("missing.toml");
  CHECK(shop.run("pw\n", [&] { return user_add(options); }).code == EX_NOINPUT);
  CHECK(Workshop::read(shop.config()) == before);
}

TEST_CASE("user add --generate: the password is a line of stdout and works") {
  Workshop shop;
  auto options = add_options(shop);
  options.generate = true;
  const auto ran = shop.run("", [&] { return user_add(options); });
  REQUIRE(ran.code == EX_OK);
  REQUIRE(ran.out.size() == 44);  // 256 bits in base64url, and a newline
  CHECK(ran.out.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == 43);
  const auto text = Workshop::read(shop.config());
  CHECK(text.find(ran.out.substr(0, 43)) == std::string::npos);
  CHECK(logs_in(text, "alice", ran.out.substr(0, 43)));
}

TEST_CASE("user add --print: the block on stdout, and no file touched or needed") {
  Workshop shop;
  auto options = add_options(shop);
  options.print = true;
  options.config_file = shop.path("missing.toml");
  const auto ran = shop.run("pw\n", [&] { return user_add(options); });
  REQUIRE(ran.code == EX_OK);
  CHECK(ran.out.starts_with("[[user]]\nname = \"alice\"\n"));
  CHECK(logs_in(std::string{kConfig} + ran.out, "alice", "pw"));
  CHECK_FALSE(std::filesystem::exists(options.config_file));
  options.generate = true;
  const auto drawn = shop.run("", [&] { return user_add(options); });
  REQUIRE(drawn.err.size() == 44);
  CHECK(drawn.out.find(drawn.err.substr(0, 43)) == std::string::npos);
  CHECK(logs_in(std::string{kConfig} + drawn.out, "alice", drawn.err.substr(0, 43)));
}

TEST_CASE("user import: all of the users, or none") {
  Workshop shop;
  const auto file = shop.config() + ".passwords";
  UserImportOptions options{shop.config(), file, {}, conf::PasswordFormat::Either, auth::kMinIterations};
  const auto import = [&](const std::string& text) {
    std::ofstream{file} << text;
    return shop.run("", [&] { return user_import(options); });
  };
  const auto good = import("alice:one\nbob:two words\n");
  CHECK(good.code == EX_OK);
  CHECK(good.out == "2 users added\n");
  const auto text = Workshop::read(shop.config());
  CHECK(text.starts_with(kConfig));
  CHECK(logs_in(text, "alice", "one"));
  CHECK(logs_in(text, "bob", "two words"));
  CHECK_FALSE(text.contains("two words"));

  const auto bad = import("carol:hunter2\nalice:hunter2\nhunter2\n");
  CHECK(bad.code == EX_DATAERR);
  CHECK(bad.err.contains(":2:1: the configuration has a user of this name"));
  CHECK(bad.err.contains(":3:1: there is no colon"));
  CHECK_FALSE(bad.err.contains("hunter2"));
  options.roles = {"nothing"};
  CHECK(import("carol:x\n").code == EX_DATAERR);
  CHECK(Workshop::read(shop.config()) == text);
}

TEST_CASE("user passwd: another password, with or without the one before") {
  Workshop shop;
  REQUIRE(shop.run("first\n", [&] { return user_add(add_options(shop, "alice")); }).code == EX_OK);
  REQUIRE(shop.run("bobs\n", [&] { return user_add(add_options(shop, "bob")); }).code == EX_OK);
  auto options = passwd_options(shop);
  REQUIRE(shop.run("second\n", [&] { return user_passwd(options); }).code == EX_OK);
  auto text = Workshop::read(shop.config());
  CHECK(text.starts_with(kConfig));
  CHECK(logs_in(text, "alice", "second"));
  CHECK_FALSE(logs_in(text, "alice", "first"));
  CHECK(logs_in(text, "bob", "bobs"));

  options.keep = true;
  REQUIRE(shop.run("third\n", [&] { return user_passwd(options); }).code == EX_OK);
  text = Workshop::read(shop.config());
  CHECK(logs_in(text, "alice", "third"));
  CHECK(logs_in(text, "alice", "second"));
  const auto users = auth::Directory::build(conf::parse(text, "test").value()).value();
  const auto& verifiers = users.find("alice")->verifiers;
  CHECK(auth::matches(verifiers.front(), "third"));  // SCRAM goes by the first

  // The list shows them, and the old ones are dropped by what it shows.
  const auto list = shop.run("", [&] { return user_list(shop.config()); });
  CHECK(list.code == EX_OK);
  REQUIRE(verifiers.size() == 4);
  for (const auto& each : verifiers) CHECK(list.out.contains(each.id));
  CHECK_FALSE(list.out.contains(auth::format(verifiers[0]).substr(20)));
  UserForgetOptions forget{shop.config(), "alice", {verifiers[2].id, verifiers[3].id}};
  REQUIRE(shop.run("", [&] { return user_forget(forget); }).code == EX_OK);
  text = Workshop::read(shop.config());
  CHECK(logs_in(text, "alice", "third"));
  CHECK_FALSE(logs_in(text, "alice", "second"));
  CHECK(shop.run("", [&] { return user_forget(forget); }).code == EX_DATAERR);
  forget.name = "nobody";
  CHECK(shop.run("", [&] { return user_forget(forget); }).code == EX_NOUSER);
  CHECK(Workshop::read(shop.config()) == text);

  options.keep = false;
  options.generate = true;
  const auto drawn = shop.run("", [&] { return user_passwd(options); });
  REQUIRE(drawn.out.size() == 44);
  text = Workshop::read(shop.config());
  CHECK(logs_in(text, "alice", drawn.out.substr(0, 43)));
  CHECK_FALSE(logs_in(text, "alice", "third"));
  CHECK_FALSE(logs_in(text, "alice", "second"));
}

TEST_CASE("user passwd: nobody of that name") {
  Workshop shop;
  CHECK(shop.run("pw\n", [&] { return user_passwd(passwd_options(shop, "ghost")); }).code == EX_NOUSER);
  CHECK(Workshop::read(shop.config()) == kConfig);
}

TEST_CASE("user commands: mode kept, links followed, a file that does not check left alone") {
  Workshop shop;
  ::chmod(shop.config().c_str(), 0640);
  const auto link = shop.path("link.toml");
  std::filesystem::create_symlink("mcgate.toml", link);
  auto options = add_options(shop);
  options.config_file = link;
  REQUIRE(shop.run("pw\n", [&] { return user_add(options); }).code == EX_OK);
  CHECK(std::filesystem::is_symlink(link));
  struct stat after{};
  REQUIRE(::stat(shop.config().c_str(), &after) == 0);
  CHECK((after.st_mode & 07777) == 0640);
  CHECK(logs_in(Workshop::read(shop.config()), "alice", "pw"));

  const std::string broken = "this is not TOML";
  Workshop::write(shop.config(), broken);
  CHECK(shop.run("pw\n", [&] { return user_add(add_options(shop, "bob")); }).code == EX_DATAERR);
  CHECK(shop.run("pw\n", [&] { return user_passwd(passwd_options(shop)); }).code == EX_DATAERR);
  CHECK(Workshop::read(shop.config()) == broken);
}

}  // namespace
}  // namespace mcgate::proxy
