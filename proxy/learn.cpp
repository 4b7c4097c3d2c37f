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

std::expected<conf::Config, std::vector<conf::Problem>> check(std::string_view text,
                                                              const std::string& file) {
  auto config = conf::parse(text, file, conf::read_path);
  if (!config) return config;
  if (auto directory = auth::Directory::build(*config); !directory)
    return std::unexpected{std::move(directory.error())};
  return config;
}

}  // namespace

int learn(const LearnOptions& options) {
  const auto text = read(options.config_file, conf::kMaxFile);
  if (!text) return fail(EX_CONFIG, text.error());
  const auto config = check(text->reveal(), options.config_file);
  if (!config) {
    for (const conf::Problem& problem : config.error()) fmt::print(stderr, "{}\n", conf::format(problem));
    return EX_CONFIG;
  }
  const auto observed = read(options.observed_file, kMaxObserved);
  if (!observed) return fail(EX_NOINPUT, observed.error());
  const auto sketch = observed_from(observed->reveal());
  if (!sketch) return fail(EX_DATAERR, fmt::format("{}: {}", options.observed_file, sketch.error()));

  const std::string proposal = propose(*sketch, *config, options.strangers);
  std::string all;
  all.reserve(text->reveal().size() + proposal.size() +
              1);  // at once: a string that grows leaves copies behind
  all.append(text->reveal()).append("\n").append(proposal);
  const conf::Secret whole{std::move(all)};
  if (const auto good = check(whole.reveal(), options.config_file); !good)
    return fail(EX_SOFTWARE, "with what could be proposed the configuration would not check: " +
                                 conf::format(good.error().front()));
  const bool printed =
      std::fwrite(proposal.data(), 1, proposal.size(), stdout) == proposal.size() && std::fflush(stdout) == 0;
  return printed ? EX_OK : fail(EX_IOERR, "the proposal could not be printed");
}

}  // namespace mcgate::proxy
