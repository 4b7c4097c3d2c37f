#include "proxy/cli.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sysexits.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <expected>
#include <map>
#include <utility>
#include <vector>

#include "auth/advice.hpp"
#include "auth/expiry.hpp"
#include "conf/config.hpp"
#include "proxy/command_list.hpp"
#include "proxy/explain.hpp"
#include "proxy/learn.hpp"
#include "proxy/running.hpp"
#include "proxy/serve.hpp"
#include "proxy/snapshot.hpp"
#include "proxy/user_command.hpp"

namespace mcgate::proxy {
namespace {

void print(const std::vector<conf::Problem>& problems) {
  for (const conf::Problem& problem : problems) fmt::print(stderr, "{}\n", conf::format(problem));
}

// It says who may do what, and holds verifiers, from which passwords can be guessed at leisure.
std::vector<conf::Problem> warnings_of_users_file(const conf::Config& config) {
  struct stat status{};
  if (config.users_file.empty() || ::stat(config.users_file.c_str(), &status) != 0) return {};
  std::vector<conf::Problem> warnings;
  if ((status.st_mode & S_IROTH) != 0)
    warnings.push_back(
        {config.users_file, {}, "warning: everybody may read the users' verifiers: chmod o-r"});
  if ((status.st_mode & S_IWOTH) != 0)
    warnings.push_back({config.users_file, {}, "warning: everybody may make users here: chmod o-w"});
  return warnings;
}

int explain_file(const std::string& file, const Question& question) {
  const auto config = conf::load(file);
  if (!config) {
    print(config.error());
    return EX_CONFIG;
  }
  const auto directory = auth::Directory::build(*config);
  if (!directory) {
    print(directory.error());
    return EX_CONFIG;
  }
  const auto explanation = explain(*config, *directory, question);
  if (!explanation) {
    fmt::print(stderr, "mcgate explain: {}\n", explanation.error());
    return EX_USAGE;
  }
  fmt::print("{}", format(*explanation));
  return explanation->allowed ? EX_OK : 1;
}

int serve_file(const std::string& file, bool verbose) {
  auto config = conf::load(file);
  if (config) return serve(std::move(*config), verbose);
  print(config.error());
  return EX_CONFIG;
}

// What the arguments fill in.
struct Options {
  std::string config_file = kDefaultConfig;
  bool check = false;
  bool verbose = false;
  UserAddOptions add;
  UserPasswdOptions passwd;
  UserForgetOptions forget;
  UserImportOptions import;
  Question question;
  bool running = false;  // of explain and user list
  LearnOptions learn;
};

CLI::Option* add_iterations(CLI::App& command, std::uint32_t& iterations) {
  return command.add_option("--iterations", iterations, "Rounds of the key derivation")
      ->check(CLI::Range(auth::kMinIterations, auth::kMaxIterations))
      ->capture_default_str();
}

void add_running(CLI::App& command, bool& running) {
  command.add_flag("--running", running, "Ask the mcgate that runs, by its admin endpoint");
}

void add_user_commands(CLI::App& app, Options& options) {
  CLI::App* user = app.add_subcommand("user", "Users and their passwords, in the configuration");
  user->require_subcommand(1)->fallthrough();

  CLI::App* add = user->add_subcommand("add", "Add a user to the configuration")->fallthrough();
  add->add_option("NAME", options.add.name, "The user's name")->required();
  add->add_option("--role", options.add.roles, "A role of the user; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  add->add_flag("--generate", options.add.generate, "Draw a password and print it once");
  add->add_flag("--print", options.add.print, "Print the [[user]] block and change nothing");
  add_iterations(*add, options.add.iterations);

  CLI::App* passwd = user->add_subcommand("passwd", "Give a user another password")->fallthrough();
  passwd->add_option("NAME", options.passwd.name, "The user's name")->required();
  passwd->add_flag("--generate", options.passwd.generate, "Draw a password and print it once");
  passwd->add_flag("--keep", options.passwd.keep, "Let the passwords that are there stay valid");
  add_iterations(*passwd, options.passwd.iterations);

  CLI::App* forget = user->add_subcommand("forget", "Take a secret away from a user")->fallthrough();
  forget->add_option("NAME", options.forget.name, "The user's name")->required();
  forget->add_option("SECRET", options.forget.secrets, "Its secrets' ids, as list shows them")->required();

  CLI::App* import = user->add_subcommand("import", "Add the users of a password file of memcached's");
  import->fallthrough();
  import->add_option("FILE", options.import.password_file, "Lines of user:password")->required();
  import->add_option("--role", options.import.roles, "A role of each of them; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  import
      ->add_option("--format", options.import.format,
                   "auth-file (memcached -Y) or pwdb (MEMCACHED_SASL_PWDB)")
      ->transform(CLI::CheckedTransformer(std::map<std::string, conf::PasswordFormat>{
          {"auth-file", conf::PasswordFormat::AuthFile}, {"pwdb", conf::PasswordFormat::Pwdb}}));
  add_iterations(*import, options.import.iterations);

  CLI::App* list = user->add_subcommand("list", "List the users and their secrets")->fallthrough();
  add_running(*list, options.running);
}

void add_explain(CLI::App& app, Question& question, bool& running) {
  CLI::App* explain = app.add_subcommand("explain", "Say what would become of a request, and by which rule");
  explain->fallthrough();
  explain->add_option("--user", question.user, "Who asks")->type_name("NAME");
  explain
      ->add_option("--certificate", question.certificate, "Or a name of its certificate: uri:…, dns:…, cn:…")
      ->type_name("NAME");
  explain
      ->add_option("--command", question.command, "A command, as grants name it; after mg, ms, md, ma: flags")
      ->required();
  explain->add_option("--key", question.key, "Its key");
  explain->add_option("--from", question.from, "The client's IP address, or unix")->type_name("ADDRESS");
  explain->add_option("--listener", question.listener, "The listener's address, as configured")
      ->type_name("ADDRESS");
  add_running(*explain, running);
}

void add_learn(CLI::App& app, LearnOptions& options) {
  CLI::App* learn =
      app.add_subcommand("learn", "Propose a policy that allows what clients were seen to ask for");
  learn->fallthrough();
  learn
      ->add_option(
          "--observed", options.observed_file,
          "What GET /observed answered, - for standard input, instead of asking the mcgate that runs")
      ->type_name("FILE");
  learn->add_flag_callback(
      "--anonymous", [&options] { options.strangers = Strangers::GetAUser; },
      "Make those who have not logged in a user, by their addresses");
}

void describe(CLI::App& app, Options& options) {
  app.set_version_flag("--version", std::string{"mcgate "} + MCGATE_VERSION);
  app.add_option("-c,--config", options.config_file, "The configuration file")
      ->type_name("FILE")
      ->capture_default_str();
  CLI::Option* test = app.add_flag("-t", options.check, "The same as check");
  app.add_flag("-v", options.verbose, "Log everything, whatever log.level says");
  app.require_subcommand(0, 1);
  app.add_subcommand("serve", "Serve clients, in the foreground (the default)")
      ->fallthrough()
      ->excludes(test);
  app.add_subcommand("check", "Say what is wrong with the configuration")->fallthrough();
  app.add_subcommand("commands", "List the commands that grants may name")->fallthrough();
  add_explain(app, options.question, options.running);
  add_learn(app, options.learn);
  add_user_commands(app, options);
}

int run(const CLI::App& app, Options& options) {
  if (options.check || app.got_subcommand("check")) return check(options.config_file);
  if (app.got_subcommand("commands")) {
    fmt::print("{}", list_commands());
    return EX_OK;
  }
  if (app.got_subcommand("explain")) {
    return options.running ? explain_running(options.config_file, options.question)
                           : explain_file(options.config_file, options.question);
  }
  if (app.got_subcommand("learn")) {
    options.learn.config_file = options.config_file;
    return learn(options.learn);
  }
  if (!app.got_subcommand("user")) return serve_file(options.config_file, options.verbose);
  const CLI::App& user = *app.get_subcommand("user");
  if (user.got_subcommand("add")) {
    options.add.config_file = options.config_file;
    return user_add(options.add);
  }
  if (user.got_subcommand("forget")) {
    options.forget.config_file = options.config_file;
    return user_forget(options.forget);
  }
  if (user.got_subcommand("import")) {
    options.import.config_file = options.config_file;
    return user_import(options.import);
  }
  if (user.got_subcommand("list"))
    return options.running ? user_list_running(options.config_file) : user_list(options.config_file);
  options.passwd.config_file = options.config_file;
  return user_passwd(options.passwd);
}

}  // namespace

int check(const std::string& file) {
  auto config = conf::load(file);
  if (!config) {
    print(config.error());
    return 1;
  }
  const auto snapshot = Snapshot::build(std::move(*config));
  if (!snapshot) {
    print(snapshot.error());
    return 1;
  }
  print(auth::advise((*snapshot)->config));
  print(auth::expiry_warnings((*snapshot)->config, std::chrono::system_clock::now()));
  print(warnings_of_users_file((*snapshot)->config));
  fmt::print("{}: ok\n", file);
  return EX_OK;
}

int run_command_line(int argc, const char* const* argv) {
  CLI::App app{"Authenticating proxy for memcached", "mcgate"};
  Options options;
  describe(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are "errors" that say 0.
    return app.exit(error) == 0 ? EX_OK : EX_USAGE;
  }
  return run(app, options);
}

}  // namespace mcgate::proxy
