// `mcgate explain`: what would become of a request, by which rule, and what would change it. Asks decide() as
// a session does, and the policy for its reasons; a pure function of the configuration.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/directory.hpp"
#include "conf/config.hpp"

namespace mcgate::proxy {

struct Question {
  std::string user;     // empty: whoever does not log in at `listener`
  std::string command;  // as grants name it; a meta command may be followed by flags, "mg T30"
  std::optional<std::string> key;
  std::string from;      // an IP address, or "unix"; empty: from wherever it may be
  std::string listener;  // its address as the configuration has it; empty: any that would do
  // Instead of the user: a name that it shows, as users have it, "uri:spiffe://prod/web".
  std::string certificate = {};
};

struct Explanation {
  bool allowed = false;
  std::string why;
  std::vector<std::string> change;  // what would make a refusal an allowance: all of these, or see "or"
};

// The error says what is wrong with the question itself.
std::expected<Explanation, std::string> explain(const conf::Config& config, const auth::Directory& directory,
                                                const Question& question);

// A question as a URL's query, "user=web&command=get&key=a%3A1", without what is left out.
std::expected<Question, std::string> parse_question(std::string_view query);
std::string to_query(const Question& question);
// {"allowed": true, "why": "...", "change": []}
std::string to_json(const Explanation& explanation);
// Whoever answered may not be an mcgate: no control character is left in what it says.
std::expected<Explanation, std::string> parse_explanation(std::string_view json);

// As `mcgate explain` prints it: "allowed: ..." or "refused: ...", and below it what would change that.
std::string format(const Explanation& explanation);

}  // namespace mcgate::proxy
