#include "protocol/login.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

using namespace mcgate::protocol;
using namespace std::string_literals;

namespace {

const std::string kLongName(kMaxUserName, 'u');

// The parser keeps nothing between calls: what it says of every beginning of the input is what it would say
// of it at every split, and byte by byte. It must ask for more, never for what isn't needed, or already say
// the same as of the whole.
ParseResult at_every_split(std::string_view input, const ParseLimits& limits, Request& request) {
  const ParseResult whole = parse_text_before_login(input, limits, request);
  for (std::size_t size = 0; size < input.size(); ++size) {
    CAPTURE(size);
    Request other;
    const std::string part{input.substr(0, size)};  // a copy of its own, so that reading past it is seen
    const ParseResult result = parse_text_before_login(part, limits, other);
    if (const auto* more = std::get_if<NeedMore>(&result)) {
      CHECK(more->total > size);
      if (const auto* parsed = std::get_if<Parsed>(&whole)) {
        CHECK(more->total <= parsed->consumed);
        CHECK(size < parsed->consumed);
      }
    } else if (const auto* broken = std::get_if<Broken>(&result)) {
      REQUIRE(std::holds_alternative<Broken>(whole));
      CHECK(broken->reply == std::get<Broken>(whole).reply);
      CHECK(broken->close == std::get<Broken>(whole).close);
      CHECK(broken->consumed + broken->swallow ==
            std::get<Broken>(whole).consumed + std::get<Broken>(whole).swallow);
    } else {
      REQUIRE(std::holds_alternative<Parsed>(whole));
      CHECK(std::get<Parsed>(result).consumed == std::get<Parsed>(whole).consumed);
      CHECK(other.caller.command == request.caller.command);
      CHECK(other.value == request.value);
    }
  }
  return parse_text_before_login(input, limits, request);
}

TEST_CASE("SCRAM's first message says what becomes of channel binding") {
  struct Row {
    std::string message;
    ChannelBindingUse use;
    std::string_view type = {};
  };
  for (const auto& row : {
           Row{"n,,n=alice,r=x", ChannelBindingUse::Unable},
           Row{"n,,n=", ChannelBindingUse::Unable},
           Row{"y,a=bob,n=alice,r=x", ChannelBindingUse::NotSeen},
           Row{"p=tls-exporter,,n=alice,r=x", ChannelBindingUse::Bound, "tls-exporter"},
           Row{"p=,,n=", ChannelBindingUse::Bound, ""},
           Row{"p=a=b\0c,p=d,n=e"s, ChannelBindingUse::Bound, {"a=b\0c", 5}},
       }) {
    CAPTURE(row.message);
    const auto flag = parse_channel_binding(row.message);
    REQUIRE(flag.has_value());
    CHECK(flag->use == row.use);
    CHECK(flag->type == row.type);
  }
  for (const auto& flag : {""s, "p"s, "N"s, "Y"s, "nn"s, "n\0"s, "x"s, " n"s, "P=tls-exporter"s}) {
    CAPTURE(flag);
    CHECK_FALSE(parse_channel_binding(flag + ",,n=alice,r=x").has_value());
  }
  for (const auto* const message : {"", ",", "n", "n,", "n,,", "n,,n", "y,a=alice,", "y,a=alice,n",
                                    "p=tls-exporter,,", "n,,m=x,n=alice,r=x"}) {
    CAPTURE(message);
    CHECK_FALSE(parse_channel_binding(message).has_value());
  }
}

}  // namespace

TEST_CASE("a text log-in's token is a user, a space and a password") {
  struct {
    std::string data;
    bool good;
    std::string user, password;
  } const rows[] = {
      {"alice secret", true, "alice", "secret"},
      {"alice two words ", true, "alice", "two words "},
      {"alice  secret", true, "alice", " secret"},
      {"\xc3\xa5sa p\xff\r\n", true, "\xc3\xa5sa", "p\xff\r\n"},
      {"a b", true, "a", "b"},
      {kLongName + " p", true, kLongName, "p"},
      {kLongName + "u p", false, "", ""},
      {"", false, "", ""},
      {" ", false, "", ""},
      {"alice", false, "", ""},
      {"alice ", false, "", ""},
      {" secret", false, "", ""},
      {"al\0ice secret"s, false, "", ""},
      {"alice sec\0ret"s, false, "", ""},
      {"alice secret\0"s, false, "", ""},
      {"\0 \0"s, false, "", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.data);
    const auto result = parse_login_token(row.data);
    REQUIRE(result.has_value() == row.good);
    if (row.good) {
      CHECK(result->user == row.user);
      CHECK(result->password == row.password);
    } else {
      CHECK(result.error() == "bad authentication token format");
    }
  }
}

TEST_CASE("a PLAIN message is an authzid, a user and a password") {
  struct {
    std::string message;
    bool good;
    std::string user, password;
  } const rows[] = {
      {"\0alice\0secret"s, true, "alice", "secret"},
      {"alice\0alice\0secret"s, true, "alice", "secret"},
      {"\0alice\0two words"s, true, "alice", "two words"},
      {"\0"s + kLongName + "\0p"s, true, kLongName, "p"},
      {"\0"s + kLongName + "u\0p"s, false, "", ""},
      {"bob\0alice\0secret"s, false, "", ""},
      {"alic\0alice\0secret"s, false, "", ""},
      {"alice2\0alice\0secret"s, false, "", ""},
      {"\0alice\0"s, false, "", ""},
      {"\0\0secret"s, false, "", ""},
      {"\0\0"s, false, "", ""},
      {"alice\0\0secret"s, false, "", ""},
      {"\0alice\0sec\0ret"s, false, "", ""},
      {"\0alice\0secret\0"s, false, "", ""},
      {"alice\0secret"s, false, "", ""},
      {"alice secret", false, "", ""},
      {"\0"s, false, "", ""},
      {"", false, "", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.message);
    const auto result = parse_plain(row.message);
    REQUIRE(result.has_value() == row.good);
    if (row.good) {
      CHECK(result->user == row.user);
      CHECK(result->password == row.password);
    } else {
      CHECK(!result.error().empty());
    }
  }
}

TEST_CASE("before log-in a set is a log-in, whatever its key and numbers") {
  const std::string most(kMaxLoginToken, 't');
  struct {
    std::string request;
    std::string token;
  } const rows[] = {
      {"set any 0 0 12\r\nalice secret\r\n", "alice secret"},
      {"set any 0 0 12\nalice secret\r\n", "alice secret"},
      {"set any 0 0 12 noreply\r\nalice secret\r\n", "alice secret"},
      {"set any 0 0 12 a b c\r\nalice secret\r\n", "alice secret"},
      {"set any x -y 12\r\nalice secret\r\n", "alice secret"},
      {"set any 16 0 12 \r\nalice secret\r\n", "alice secret"},
      {"set  any  0 0   12\r\nalice secret\r\n", "alice secret"},
      {"set \x01\t\0 0 0 12\r\nalice secret\r\n"s, "alice secret"},
      {"set " + std::string(1000, 'k') + " 0 0 12\r\nalice secret\r\n", "alice secret"},
      {"set any 0 0 0\r\n\r\n", ""},
      {"set any 0 0 8\r\na b\r\nget\r\n", "a b\r\nget"},
      {"set any 0 0 3\r\n\0 \0\r\n"s, "\0 \0"s},
      {"set any 0 0 4096\r\n" + most + "\r\n", most},
  };
  for (const auto& row : rows) {
    CAPTURE(row.request);
    Request request;
    const ParseResult result = at_every_split(row.request, kLimitsBeforeLogin, request);
    REQUIRE(std::holds_alternative<Parsed>(result));
    CHECK(std::get<Parsed>(result).consumed == row.request.size());
    CHECK(request.caller.command == Command::Set);
    CHECK_FALSE(request.caller.quiet);
    CHECK(request.value == row.token);
    CHECK(request.keys.empty());

    // What follows a log-in is left alone.
    const std::string followed = row.request + "get a\r\n";
    const ParseResult same = parse_text_before_login(followed, kLimitsBeforeLogin, request);
    REQUIRE(std::holds_alternative<Parsed>(same));
    CHECK(std::get<Parsed>(same).consumed == row.request.size());
  }
}

TEST_CASE("before log-in anything else is skipped whole and refused") {
  struct {
    std::string request;
    Command command;
  } const rows[] = {
      {"get a\r\n", Command::Noop},
      {"get a b c\r\n", Command::Noop},
      {"gets a\n", Command::Noop},
      {"version\r\n", Command::Noop},
      {"mn\r\n", Command::Noop},
      {"stats\r\n", Command::Noop},
      {"stats reset\r\n", Command::Noop},
      {"flush_all\r\n", Command::Noop},
      {"delete a noreply\r\n", Command::Noop},
      {"add a 0 0 12\r\nalice secret\r\n", Command::Noop},
      {"add a 0 0 11 noreply\r\nflush_all\r\n\r\n", Command::Noop},
      {"cas a 0 0 3 1\r\na b\r\n", Command::Noop},
      {"ms a 7\r\nget a\r\n\r\n", Command::Noop},
      {"mg a v q\r\n", Command::Noop},
      {"quit\r\n", Command::Quit},
  };
  for (const auto& row : rows) {
    CAPTURE(row.request);
    Request request;
    const ParseResult result = at_every_split(row.request, kLimitsBeforeLogin, request);
    REQUIRE(std::holds_alternative<Parsed>(result));
    CHECK(std::get<Parsed>(result).consumed == row.request.size());
    CHECK(request.caller.command == row.command);
    CHECK_FALSE(request.caller.quiet);
    CHECK(request.value.empty());
    CHECK(request.keys.empty());
  }
}

TEST_CASE("before log-in what can't be read is refused, and closed where its end is in doubt") {
  struct {
    std::string name;
    std::string request;
    std::string reply;
    std::size_t dropped;  // consumed and swallowed together; not checked where it closes
    bool close;
  } const rows[] = {
      {"no end of the token", "set any 0 0 5\r\nalice secret\r\n",
       "CLIENT_ERROR bad command line termination\r\n", 0, true},
      {"LF only", "set any 0 0 3\r\na b\n\n", "CLIENT_ERROR bad command line termination\r\n", 0, true},
      {"token too long", "set any 0 0 4097\r\n", "CLIENT_ERROR auth token too long\r\n", 18 + 4097 + 2,
       false},
      {"token at the bound", "set any 0 0 1048574\r\n", "CLIENT_ERROR auth token too long\r\n",
       21 + 1'048'576, false},
      {"token over the bound", "set any 0 0 1048575\r\n", "CLIENT_ERROR auth token too long\r\n", 0, true},
      {"token of 2^32 and 3", "set any 0 0 4294967299\r\n", "CLIENT_ERROR auth token too long\r\n", 0, true},
      {"token of 2^64-1", "set any 0 0 18446744073709551615\r\n", "CLIENT_ERROR auth token too long\r\n", 0,
       true},
      {"token of 2^64", "set any 0 0 18446744073709551616\r\n", "", 0, true},
      {"negative token", "set any 0 0 -4294967293\r\n", "", 0, true},
      {"signed token", "set any 0 0 +12\r\n", "", 0, true},
      {"token of letters", "set any 0 0 twelve\r\n", "", 0, true},
      {"an empty line", "\r\n", "", 2, false},
      {"an unknown command", "auth alice secret\r\n", "", 19, false},
      {"its case", "SET any 0 0 3\r\n", "", 15, false},
      {"a bad key", "get " + std::string(251, 'k') + "\r\n", "", 257, false},
      {"a line without end", std::string(2048, 'x'), "", 0, true},
      {"a get without end", "get " + std::string(3000, 'x'), "", 0, true},
      {"a set without end", "set " + std::string(3000, 'x'), "", 0, true},
      {"a long set", "set " + std::string(2040, 'x') + " 0 0 3\r\na b\r\n", "", 0, true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    Request request;
    const ParseResult result = at_every_split(row.request, kLimitsBeforeLogin, request);
    REQUIRE(std::holds_alternative<Broken>(result));
    const Broken& broken = std::get<Broken>(result);
    CHECK(broken.reply == row.reply);
    CHECK(broken.close == row.close);
    if (!row.close) CHECK(broken.consumed + broken.swallow == row.dropped);
    CHECK(request.caller.command == Command::Noop);
    CHECK(request.value.empty());
  }
}
