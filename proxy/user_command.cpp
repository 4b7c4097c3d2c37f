#include "proxy/user_command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <expected>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <utility>

#include "auth/directory.hpp"
#include "auth/expiry.hpp"
#include "conf/config.hpp"
#include "conf/edit.hpp"
#include "conf/file.hpp"
#include "conf/secret.hpp"
#include "proxy/config_file.hpp"
#include "proxy/new_password.hpp"

namespace mcgate::proxy {
namespace {

int fail(int code, std::string_view message) {
  fmt::print(stderr, "mcgate user: {}\n", message);
  return code;
}

int fail(const std::vector<conf::Problem>& problems) {
  for (const auto& problem : problems) fmt::print(stderr, "{}\n", conf::format(problem));
  return fail(EX_DATAERR, "nothing was changed, since the configuration would not check");
}

using Checked = std::expected<conf::Config, std::vector<conf::Problem>>;

// The configuration as it is with `text` for what `path` holds: itself, or its users file.
Checked load_with(const std::string& config_file, const std::string& path, std::string_view text) {
  return conf::load(config_file, [&](const std::string& each) {
    return each == path ? std::expected<conf::Secret, std::string>{conf::Secret{text}}
                        : conf::read_path(each);
  });
}

const conf::User* user_named(const conf::Config& config, std::string_view name) {
  const auto found = std::ranges::find(config.users, name, &conf::User::name);
  return found == config.users.end() ? nullptr : &*found;
}

// The file that a command changes, and the configuration before.
struct Opened {
  std::string config_file;
  std::string path;  // its own, or its users file's
  ConfigFile file;
  Checked before;

  Checked with(const conf::Secret& text) const {
    return auth::with_good_users(load_with(config_file, path, text.reveal()));
  }
};

// The file that the user is in, or that is for new ones.
std::expected<Opened, std::string> open_for(const std::string& config_file,
                                            std::optional<std::string_view> user) {
  std::optional<std::expected<ConfigFile, std::string>> file = ConfigFile::open(config_file);
  if (!*file) return std::unexpected(file->error());
  std::string path = config_file;
  Checked before = load_with(config_file, path, (*file)->text().reveal());
  if (before && !before->users_file.empty()) {
    const conf::User* there = user ? user_named(*before, *user) : nullptr;
    path = user ? (there != nullptr ? before->file_of(there->place) : path) : before->users_file;
  }
  if (path != config_file) {
    file.reset();  // first: the lock is of the directory, which may be the same
    file = ConfigFile::open(path);
    if (!*file) return std::unexpected(file->error());
    before = load_with(config_file, path, (*file)->text().reveal());
  }
  return Opened{config_file, std::move(path), std::move(**file), std::move(before)};
}

// "-" for one that the check would refuse.
std::string id_of(const conf::UserSecret& secret) {
  const auto verifier = auth::parse_verifier(secret.verifier.reveal());
  return verifier ? auth::id_of(*verifier) : "-";
}

std::expected<conf::Secret, std::string> password_for(bool generate) {
  if (generate) return draw_password();
  return read_password(STDIN_FILENO);
}

bool acceptable(std::uint32_t iterations) {
  return iterations >= auth::kMinIterations && iterations <= auth::kMaxIterations;
}

// One for each hash: a mechanism is offered only if every user has a verifier for it.
std::vector<std::string> verifiers_of(const conf::Secret& password, std::uint32_t iterations) {
  std::vector<std::string> texts;
  for (const auto hash : {auth::Hash::Sha256, auth::Hash::Sha512}) {
    texts.push_back(
        auth::format(auth::make_verifier(hash, password.reveal(), iterations, auth::random_salt())));
  }
  return texts;
}

bool show(std::FILE* out, const conf::Secret& password) {
  const auto text = password.reveal();
  return std::fwrite(text.data(), 1, text.size(), out) == text.size() && std::fputc('\n', out) != EOF &&
         std::fflush(out) == 0;
}

// Whether a block would do in some configuration: its name, that is, for its roles are not known here.
std::expected<void, std::vector<conf::Problem>> check_alone(const UserAddOptions& options,
                                                            std::span<const std::string> secrets) {
  constexpr std::string_view around =
      "[[listener]]\naddress = \"127.0.0.1:11211\"\n[upstream]\naddress = \"127.0.0.1:11212\"\n";
  auto config = auth::with_good_users(
      conf::parse(conf::with_user(around, conf::user_block(options.name, secrets, {})), "the new user"));
  if (!config) return std::unexpected(std::move(config.error()));
  return {};
}

int print_user(const UserAddOptions& options, const conf::Secret& password) {
  const auto secrets = verifiers_of(password, options.iterations);
  if (const auto good = check_alone(options, secrets); !good) return fail(good.error());
  // The block goes where stdout goes, into a file most likely; the password must not.
  if (options.generate && !show(stderr, password)) return EX_IOERR;
  const auto block = conf::user_block(options.name, secrets, options.roles);
  const bool printed =
      std::fwrite(block.data(), 1, block.size(), stdout) == block.size() && std::fflush(stdout) == 0;
  return printed ? EX_OK : fail(EX_IOERR, "the block could not be printed");
}

// Checks what the file is to become, and replaces it. A password that was drawn is shown first: one that
// nobody has seen must not be in force.
int commit(Opened& opened, const conf::Secret& text, const std::string& user,
           std::span<const std::string> secrets, const conf::Secret* drawn) {
  const auto config = opened.with(text);
  if (!config) return fail(config.error());
  const conf::User* made = user_named(*config, user);
  const auto same = [](const conf::UserSecret& a, const std::string& b) { return a.verifier.reveal() == b; };
  if (made == nullptr || made->secrets.size() < secrets.size() ||
      !std::ranges::equal(made->secrets | std::views::take(secrets.size()), secrets, same)) {
    return fail(EX_SOFTWARE, "the file is not as it was meant to become; nothing was changed");
  }
  if (drawn != nullptr && !show(stdout, *drawn)) return fail(EX_IOERR, "the password could not be printed");
  if (const auto replaced = opened.file.replace(text.reveal()); !replaced)
    return fail(EX_CANTCREAT, replaced.error());
  return EX_OK;
}

}  // namespace

int user_add(const UserAddOptions& options) {
  if (!acceptable(options.iterations)) return fail(EX_USAGE, "too few or too many iterations");
  const auto password = password_for(options.generate);
  if (!password) return fail(EX_DATAERR, password.error());
  if (options.print) return print_user(options, *password);

  auto opened = open_for(options.config_file, std::nullopt);
  if (!opened) return fail(EX_NOINPUT, opened.error());
  if (opened->before && user_named(*opened->before, options.name) != nullptr) {
    return fail(EX_DATAERR, fmt::format("there is a user {} already; mcgate user passwd changes a password",
                                        options.name));
  }
  const auto secrets = verifiers_of(*password, options.iterations);
  const conf::Secret text{
      conf::with_user(opened->file.text().reveal(), conf::user_block(options.name, secrets, options.roles))};
  return commit(*opened, text, options.name, secrets, options.generate ? &*password : nullptr);
}

int user_passwd(const UserPasswdOptions& options) {
  if (!acceptable(options.iterations)) return fail(EX_USAGE, "too few or too many iterations");
  const auto password = password_for(options.generate);
  if (!password) return fail(EX_DATAERR, password.error());

  auto opened = open_for(options.config_file, options.name);
  if (!opened) return fail(EX_NOINPUT, opened.error());
  const Checked& before = opened->before;
  if (!before) return fail(before.error());
  if (user_named(*before, options.name) == nullptr) {
    return fail(EX_NOUSER, fmt::format("there is no user {}", options.name));
  }
  const auto secrets = verifiers_of(*password, options.iterations);
  auto changed = conf::with_secrets(opened->file.text().reveal(), options.name, secrets, options.keep);
  if (!changed) return fail(EX_DATAERR, changed.error());
  const conf::Secret text{*std::move(changed)};
  return commit(*opened, text, options.name, secrets, options.generate ? &*password : nullptr);
}

int user_forget(const UserForgetOptions& options) {
  auto opened = open_for(options.config_file, options.name);
  if (!opened) return fail(EX_NOINPUT, opened.error());
  const Checked& before = opened->before;
  if (!before) return fail(before.error());
  const conf::User* user = user_named(*before, options.name);
  if (user == nullptr) return fail(EX_NOUSER, fmt::format("there is no user {}", options.name));
  std::vector<std::size_t> numbers;
  for (const std::string& id : options.secrets) {
    const auto found =
        std::ranges::find_if(user->secrets, [&](const conf::UserSecret& each) { return id_of(each) == id; });
    if (found == user->secrets.end()) {
      return fail(EX_DATAERR,
                  fmt::format("{} has no secret {}; mcgate user list shows them", options.name, id));
    }
    numbers.push_back(static_cast<std::size_t>(found - user->secrets.begin()));
  }
  auto changed = conf::without_secrets(opened->file.text().reveal(), options.name, numbers);
  if (!changed) return fail(EX_DATAERR, changed.error());
  const conf::Secret text{*std::move(changed)};
  const auto config = opened->with(text);
  if (!config) return fail(config.error());
  const conf::User* left = user_named(*config, options.name);
  const auto gone = [&](const std::string& id) {
    return left != nullptr &&
           std::ranges::none_of(left->secrets, [&](const auto& s) { return id_of(s) == id; });
  };
  if (!std::ranges::all_of(options.secrets, gone))
    return fail(EX_SOFTWARE, "the file is not as it was meant to become; nothing was changed");
  if (const auto replaced = opened->file.replace(text.reveal()); !replaced)
    return fail(EX_CANTCREAT, replaced.error());
  return EX_OK;
}

int user_import(const UserImportOptions& options) {
  const Fd passwords{::open(options.password_file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!passwords)
    return fail(EX_NOINPUT, fmt::format("opening {}: {}", options.password_file, std::strerror(errno)));
  const auto read = conf::read_file(passwords.get());
  if (!read) return fail(EX_NOINPUT, fmt::format("reading {}: {}", options.password_file, read.error()));
  if (read->reveal().size() > conf::kMaxFile)
    return fail(EX_DATAERR, fmt::format("{} has more than {} bytes", options.password_file, conf::kMaxFile));
  auto opened = open_for(options.config_file, std::nullopt);
  if (!opened) return fail(EX_NOINPUT, opened.error());
  const Checked& before = opened->before;
  if (!before) return fail(before.error());

  auto imported =
      conf::read_password_file(read->reveal(), options.password_file, options.format, kMaxPassword);
  for (const conf::ImportedUser& each : imported.users) {
    if (user_named(*before, each.name) != nullptr)
      imported.problems.push_back(
          {options.password_file, each.place, "the configuration has a user of this name"});
  }
  for (const auto& problem : imported.problems) fmt::print(stderr, "{}\n", conf::format(problem));
  if (!imported.problems.empty()) return fail(EX_DATAERR, "nothing was changed");

  conf::Secret text = opened->file.text();
  for (const conf::ImportedUser& each : imported.users) {
    const auto secrets = verifiers_of(each.password, options.iterations);
    text = conf::Secret{conf::with_user(text.reveal(), conf::user_block(each.name, secrets, options.roles))};
  }
  const auto after = opened->with(text);
  if (!after) return fail(after.error());
  if (after->users.size() != before->users.size() + imported.users.size())
    return fail(EX_SOFTWARE, "the file is not as it was meant to become; nothing was changed");
  if (const auto replaced = opened->file.replace(text.reveal()); !replaced)
    return fail(EX_CANTCREAT, replaced.error());
  fmt::print("{} users added\n", imported.users.size());
  return EX_OK;
}

int user_list(const std::string& config_file) {
  const auto config = conf::load(config_file);
  if (!config) {
    for (const auto& problem : config.error()) fmt::print(stderr, "{}\n", conf::format(problem));
    return EX_CONFIG;
  }
  constexpr std::string_view row = "{:<24} {:<8} {:<12} {:<13} {:<20} {}\n";
  fmt::print(fmt::runtime(row), "USER", "ENABLED", "SECRET", "KIND", "NOT AFTER", "COMMENT");
  for (const conf::User& user : config->users) {
    const std::string_view enabled = user.enabled ? "yes" : "no";
    const bool asks = user.password_source == conf::PasswordSource::Saslauthd;
    if (asks) fmt::print(fmt::runtime(row), user.name, enabled, "-", "saslauthd", "never", "");
    if (!user.has_password()) fmt::print(fmt::runtime(row), user.name, enabled, "-", "-", "-", "");
    for (const conf::UserSecret& secret : user.secrets) {
      const std::string_view text = secret.verifier.reveal();
      fmt::print(fmt::runtime(row), user.name, enabled, id_of(secret), text.substr(0, text.find('$')),
                 secret.not_after ? auth::format_utc(*secret.not_after) : "never",
                 conf::one_line(secret.comment));
    }
  }
  return EX_OK;
}

}  // namespace mcgate::proxy
