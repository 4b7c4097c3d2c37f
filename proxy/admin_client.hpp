// Asks the mcgate that runs, by its admin endpoint: one question to a connection, as that has it. For the
// sub-commands; waits for the answer, within a bound.
//
// It is not evhttp that asks: libevent 2.1 has no client for Unix sockets.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "conf/config.hpp"

namespace mcgate::proxy {

struct AdminReply {
  int status = 0;
  std::string body;
};

// The endpoint's own bounds are 5 s for a request, and 10 s for all of a connection.
inline constexpr std::chrono::milliseconds kAdminTimeout{15'000};

// What GET `target` ("/users") is answered, whatever its status. `most` bounds the body in bytes, `timeout`
// all of it. The error says what to do, and holds nothing of what the other end said.
std::expected<AdminReply, std::string> ask_admin(const conf::Config& config, std::string_view target,
                                                 std::size_t most,
                                                 std::chrono::milliseconds timeout = kAdminTimeout);

// What an answer other than 200 says, on one line.
std::string refusal(const AdminReply& reply);

// The head and body of a whole answer; an error if it is none, or has been cut off.
std::expected<AdminReply, std::string> parse_admin_reply(std::string_view text);

}  // namespace mcgate::proxy
