// What the sub-commands take for an answer of the admin endpoint, and how a question travels there.
#include "proxy/admin_client.hpp"

#include <doctest/doctest.h>

#include "proxy/explain.hpp"

namespace mcgate::proxy {
namespace {

TEST_CASE("admin client: an answer is whole, or none") {
  struct Row {
    std::string text;
    std::string_view problem;  // empty: none
  };
  constexpr std::string_view cut = "its answer was cut off";
  constexpr std::string_view none = "what it says is no answer of HTTP/1.1";
  for (const Row& row : {
           Row{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", ""},
           Row{"HTTP/1.1 200 OK\r\nX: y\r\nCONTENT-LENGTH: 3\r\nZ: z\r\n\r\nabc", ""},
           Row{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", cut},
           Row{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", cut},
           Row{"HTTP/1.1 200 OK\r\nContent-Length: 3x\r\n\r\nabc", cut},
           Row{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabc", cut},
           Row{"HTTP/1.1 200 OK\r\n\r\nabc", cut},
           Row{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", none},
           Row{"HTTP/1.1\r\n\r\n", none},
           Row{"HTTP/1.1 \r\n\r\n", none},
           Row{"HTTP/1.1 2x0 OK\r\n\r\n", none},
           Row{"HTTP/1.1 -20 OK\r\n\r\n", none},
           Row{"SSH-2.0-OpenSSH\r\n\r\n", none},
           Row{"HTTP/1.1 200 OK\r\nX: " + std::string(9000, 'x') + "\r\n\r\n", none},
           Row{"", none},
       }) {
    CAPTURE(row.text);
    const auto reply = parse_admin_reply(row.text);
    if (row.problem.empty()) {
      REQUIRE(reply);
      CHECK(reply->status == 200);
      CHECK(reply->body == "abc");
    } else {
      REQUIRE_FALSE(reply);
      CHECK(reply.error() == row.problem);
    }
  }
}

TEST_CASE("admin client: a refusal is told on one line") {
  CHECK(refusal({400, "there is no \x1b[31mcommand\nmore\n"}) == "there is no ?[31mcommand");
  CHECK(refusal({404, "nothing is here\n"}) == "the admin endpoint refuses: nothing is here (404)");
  CHECK(refusal({503, ""}) == "the admin endpoint refuses:  (503)");
}

TEST_CASE("explain: a question comes through a query as it was") {
  const Question question{.user = "a&b=c d%41+\xc3\xa9",
                          .command = "mg T30",
                          .key = "k?&=#%/",
                          .from = "::1",
                          .listener = "[::1]:11211",
                          .certificate = "uri:spiffe://a/b"};
  const auto again = parse_question(to_query(question));
  REQUIRE(again);
  CHECK(again->user == question.user);
  CHECK(again->command == question.command);
  CHECK(again->key == question.key);
  CHECK(again->from == question.from);
  CHECK(again->listener == question.listener);
  CHECK(again->certificate == question.certificate);
  const auto least =
      parse_question(to_query({.user = {}, .command = "stats", .key = {}, .from = {}, .listener = {}}));
  REQUIRE(least);
  CHECK_FALSE(least->key);
}

TEST_CASE("explain: an answer is read back, but for what a terminal would obey") {
  const Explanation explanation{.allowed = false, .why = "so\n\x1b[2J", .change = {"this", "that\r"}};
  const auto again = parse_explanation(to_json(explanation));
  REQUIRE(again);
  CHECK_FALSE(again->allowed);
  CHECK(again->why == "so??[2J");
  CHECK(again->change == std::vector<std::string>{"this", "that?"});
  for (const char* json : {"", "{}", "[]", "{\"allowed\": 1, \"why\": \"\", \"change\": []}",
                           "{\"allowed\": true, \"why\": \"\", \"change\": [1]}"}) {
    CAPTURE(json);
    CHECK_FALSE(parse_explanation(json));
  }
}

}  // namespace
}  // namespace mcgate::proxy
