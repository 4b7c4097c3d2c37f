#include "tests/bench/loadgen/options.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <map>

namespace mcgate::bench {
namespace {

const std::map<std::string, Dialect> kDialects{
    {"text", Dialect::Text}, {"meta", Dialect::Meta}, {"binary", Dialect::Binary}};
const std::map<std::string, Login> kLogins{
    {"none", Login::None}, {"text", Login::Text}, {"sasl", Login::Sasl}};
const std::map<std::string, Mode> kModes{
    {"requests", Mode::Requests}, {"fill", Mode::Fill}, {"handshakes", Mode::Handshakes}};

void add_options(CLI::App& app, Options& options) {
  app.add_option("address", options.address, "127.0.0.1:PORT or unix:PATH")->required();
  app.add_flag("--tls", options.tls, "Speak TLS");
  app.add_option("--ca", options.ca, "Verify the certificate by this file of CAs");
  app.add_option("--login", options.login, "none, text or sasl (PLAIN, with --dialect binary)")
      ->transform(CLI::CheckedTransformer(kLogins));
  app.add_option("--user", options.user);
  app.add_option("--password", options.password);
  app.add_option("--dialect", options.dialect, "text, meta or binary")
      ->transform(CLI::CheckedTransformer(kDialects));
  app.add_option("--mode", options.mode, "requests, fill or handshakes")
      ->transform(CLI::CheckedTransformer(kModes));
  app.add_option("--connections", options.connections)->check(CLI::Range(1, 100'000));
  app.add_option("--pipeline", options.pipeline, "Requests of one write")->check(CLI::Range(1, 10'000));
  app.add_option_function<long>(
         "--pause", [&](long ms) { options.pause = std::chrono::milliseconds{ms}; },
         "Milliseconds before each write, on average")
      ->check(CLI::Range(0, 60'000));
  app.add_option("--keys-per-get", options.keys_per_get)->check(CLI::Range(1, 10'000));
  app.add_option("--set-share", options.set_share, "Sets among the requests, 0 to 1")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--value-size", options.value_size)->check(CLI::Range(0, 1 << 20));
  app.add_option("--keys", options.keys, "How many there are")->check(CLI::Range(1, 100'000'000));
  app.add_option("--requests", options.requests, "How many to send; 0 leaves the connections idle");
  app.add_flag("--resume", options.resume, "Handshakes resume a session");
  app.add_flag("--verify", options.verify, "Compare each value with what its key must have");
  app.add_flag("--hold", options.hold, "Say \"ready\" once set up, begin when a line comes in");
  app.add_option("--seed", options.seed, "Of the choice of keys");
  app.add_option_function<long>(
      "--timeout", [&](long seconds) { options.timeout = std::chrono::seconds{seconds}; },
      "Seconds after which it gives up");
}

std::string fault(const Options& options) {
  const bool binary = options.dialect == Dialect::Binary;
  if (options.login == Login::Sasl && !binary) return "--login sasl needs --dialect binary";
  if (options.login == Login::Text && binary) return "--login text needs --dialect text or meta";
  if (options.login != Login::None && options.user.empty()) return "--login needs --user and --password";
  if (options.resume && !options.tls) return "--resume needs --tls";
  return {};
}

}  // namespace

Options read_options(int argc, char** argv) {
  Options options;
  CLI::App app{"Puts load on memcached or on what stands in front of it; prints one JSON object."};
  add_options(app, options);
  try {
    app.parse(argc, argv);
    if (std::string what = fault(options); !what.empty()) throw CLI::ValidationError(std::move(what));
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  if (options.mode == Mode::Fill) options.requests = options.keys;
  return options;
}

}  // namespace mcgate::bench
