#include "proxy/learn.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <expected>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "auth/directory.hpp"
#include "conf/file.hpp"
#include "proxy/admin_client.hpp"
#include "proxy/handles.hpp"
#include "proxy/observed_reader.hpp"

namespace mcgate::proxy {
namespace {

int fail(int code, std::string_view message) {
  fmt::print(stderr, "mcgate learn: {}\n", message);
  return code;
}

std::expected<conf::Secret, std::string> read(const std::string& file, std::size_t most) {
  const Fd opened{file == "-" ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                              : ::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!opened)
    return std::unexpected{fmt::format("opening {}: {}", file, std::generic_category().message(errno))};
  auto text = conf::read_file(opened.get(), most);
  if (!text) return std::unexpected{fmt::format("reading {}: {}", file, text.error())};
  if (text->reveal().size() > most)
    return std::unexpected{fmt::format("{} has more than {} bytes", file, most)};
  return text;
}

struct Failure {
  int code;
  std::string message;
};
using Sketched = std::expected<Observed::Sketch, Failure>;

Sketched sketched(const std::string& from, std::string_view text) {
  auto sketch = observed_from(text);
  if (!sketch) return std::unexpected{Failure{EX_DATAERR, fmt::format("{}: {}", from, sketch.error())}};
  return *std::move(sketch);
}

Sketched sketch_in(const std::string& file) {
  const auto text = read(file, kMaxObserved);
  if (!text) return std::unexpected{Failure{EX_NOINPUT, text.error()}};
  return sketched(file, text->reveal());
}

Sketched sketch_of_running(const conf::Config& config) {
  const auto reply = ask_admin(config, "/observed", kMaxObserved);
  if (!reply) return std::unexpected{Failure{EX_UNAVAILABLE, reply.error()}};
  if (reply->status != 200) return std::unexpected{Failure{EX_UNAVAILABLE, refusal(*reply)}};
  return sketched("what the admin endpoint answered", reply->body);
}

}  // namespace

int learn(const LearnOptions& options) {
  const auto text = read(options.config_file, conf::kMaxFile);
  if (!text) return fail(EX_CONFIG, text.error());
  const auto config =
      auth::with_good_users(conf::parse(text->reveal(), options.config_file, conf::read_path));
  if (!config) {
    for (const conf::Problem& problem : config.error()) fmt::print(stderr, "{}\n", conf::format(problem));
    return EX_CONFIG;
  }
  const auto sketch =
      options.observed_file.empty() ? sketch_of_running(*config) : sketch_in(options.observed_file);
  if (!sketch) return fail(sketch.error().code, sketch.error().message);

  const std::string proposal = propose(*sketch, *config, options.strangers);
  std::string all;
  // At once: a string that grows leaves copies behind.
  all.reserve(text->reveal().size() + 1 + proposal.size());
  all.append(text->reveal()).append("\n").append(proposal);
  const conf::Secret whole{std::move(all)};
  if (const auto good =
          auth::with_good_users(conf::parse(whole.reveal(), options.config_file, conf::read_path));
      !good)
    return fail(EX_SOFTWARE, "with what could be proposed the configuration would not check: " +
                                 conf::format(good.error().front()));
  const bool printed =
      std::fwrite(proposal.data(), 1, proposal.size(), stdout) == proposal.size() && std::fflush(stdout) == 0;
  return printed ? EX_OK : fail(EX_IOERR, "the proposal could not be printed");
}

}  // namespace mcgate::proxy
