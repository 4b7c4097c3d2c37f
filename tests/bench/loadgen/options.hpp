// What the load generator is told on its command line. Made once in main(), then only read.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace mcgate::bench {

enum class Dialect { Text, Meta, Binary };
enum class Login { None, Text, Sasl };

// What is done once every connection has been opened and logged in, and has had one get answered.
enum class Mode {
  Requests,    // gets and sets of random keys; none at all measures idle connections
  Fill,        // each key is set once, in order
  Handshakes,  // each "request" is a new connection: handshake, log-in, one get, close
};

struct Options {
  std::string address;  // "127.0.0.1:11211" or "unix:/path"
  bool tls = false;
  std::string ca;  // certificates are verified only if it is given
  Login login = Login::None;
  std::string user;
  std::string password;
  Dialect dialect = Dialect::Text;
  Mode mode = Mode::Requests;
  std::size_t connections = 1;
  std::size_t pipeline = 1;            // requests of one write; the next leave when all of these are answered
  std::chrono::milliseconds pause{0};  // before each batch, on average: clients that are in no hurry
  std::size_t keys_per_get = 1;
  double set_share = 0;  // 0.1: every tenth request is a set
  std::size_t value_size = 100;
  std::size_t keys = 10'000;
  std::uint64_t requests = 10'000;
  bool resume = false;  // handshakes resume the session that the connection before had
  bool verify = false;  // values are compared, byte by byte, with what their key must have
  bool hold = false;    // says "ready", and goes on when a line comes in
  std::uint32_t seed = 1;
  std::chrono::seconds timeout{120};
};

// Ends the process where the command line asks for help or makes no sense.
Options read_options(int argc, char** argv);

}  // namespace mcgate::bench
