#include "text_parsing.hpp"

using namespace mcgate::protocol;

namespace {

const std::string kLongest(250, 'k');
const std::string kTooLongKey(251, 'k');

struct Refused {
  std::string input;
  std::string reply;        // without its CRLF; nothing: silent
  std::size_t swallow = 0;  // after the line
  bool close = false;
};

void check_refused(const Refused& row) {
  CAPTURE(row.input);
  const Outcome outcome = parse_at_every_split(row.input);
  CHECK(outcome.broken);
  CHECK(outcome.reply == (row.reply.empty() ? "" : row.reply + "\r\n"));
  CHECK(outcome.swallow == row.swallow);
  CHECK(outcome.close == row.close);
  CHECK(outcome.consumed == row.input.find('\n') + 1);
}

}  // namespace

TEST_CASE("requests and their canonical form") {
  struct Row {
    std::string input, canonical;
  };
  for (const Row& row : {
           Row{"get k\r\n", "get k\r\n"},
           Row{"get k\n", "get k\r\n"},
           Row{"get  a   b c \r\n", "get a b c\r\n"},
           Row{"get k noreply\r\n", "get k noreply\r\n"},
           Row{"gets a a\r\n", "gets a a\r\n"},
           Row{"bget a b\r\n", "get a b\r\n"},
           Row{"get " + kLongest + "\r\n", "get " + kLongest + "\r\n"},
           Row{"get \xc3\xa4\r\n", "get \xc3\xa4\r\n"},
           Row{"gat 30 a b\r\n", "gat 30 a b\r\n"},
           Row{"gats -1 a\r\n", "gats -1 a\r\n"},
           Row{"gat 0060 a\r\n", "gat 60 a\r\n"},
           Row{"set k 0 0 5\r\nhello\r\n", "set k 0 0 5\r\nhello\r\n"},
           Row{"set k 0 0 5\nhello\r\n", "set k 0 0 5\r\nhello\r\n"},
           Row{"set k 0 0 0\r\n\r\n", "set k 0 0 0\r\n\r\n"},
           Row{"set k 0 0 1 \r\nx\r\n", "set k 0 0 1\r\nx\r\n"},
           Row{"set k 007 -0 02\r\n\r\n\r\n", "set k 7 0 2\r\n\r\n\r\n"},
           Row{"set k 4294967295 -2147483648 1\r\nx\r\n", "set k 4294967295 -2147483648 1\r\nx\r\n"},
           Row{"set k 0 0 9\r\nget a\r\n\r\n\r\n", "set k 0 0 9\r\nget a\r\n\r\n\r\n"},
           Row{"add k 1 2 3\r\nabc\r\n", "add k 1 2 3\r\nabc\r\n"},
           Row{"replace k 1 2 3\r\nabc\r\n", "replace k 1 2 3\r\nabc\r\n"},
           Row{"append k 1 2 3\r\nabc\r\n", "append k 1 2 3\r\nabc\r\n"},
           Row{"prepend k 1 2 3\r\nabc\r\n", "prepend k 1 2 3\r\nabc\r\n"},
           Row{"cas k 1 2 3 18446744073709551615\r\nabc\r\n", "cas k 1 2 3 18446744073709551615\r\nabc\r\n"},
           Row{"incr k 18446744073709551615\r\n", "incr k 18446744073709551615\r\n"},
           Row{"decr k 01\r\n", "decr k 1\r\n"},
           Row{"touch k 30\r\n", "touch k 30\r\n"},
           Row{"delete k\r\n", "delete k\r\n"},
           Row{"delete k 0\r\n", "delete k\r\n"},
           Row{"version\r\n", "version\r\n"},
           Row{"version noreply\r\n", "version\r\n"},
           Row{"version foo\r\n", "version\r\n"},
           Row{"quit\r\n", "quit\r\n"},
           Row{"quit now\r\n", "quit\r\n"},
       }) {
    CAPTURE(row.input);
    const Outcome outcome = parse_at_every_split(row.input);
    CHECK(outcome.canonical == row.canonical);
    CHECK(outcome.consumed == row.input.size());
    CHECK_FALSE(outcome.quiet);
    CHECK(outcome.dialect == Dialect::Text);
  }
}

TEST_CASE("noreply is the exact last token of what takes it, and never goes upstream") {
  struct Row {
    std::string input, canonical;
  };
  for (const Row& row : {
           Row{"set k 0 0 1 noreply\r\nx\r\n", "set k 0 0 1\r\nx\r\n"},
           Row{"cas k 0 0 1 9 noreply\r\nx\r\n", "cas k 0 0 1 9\r\nx\r\n"},
           Row{"incr k 1 noreply\r\n", "incr k 1\r\n"},
           Row{"touch k 1 noreply \r\n", "touch k 1\r\n"},
           Row{"delete k noreply\r\n", "delete k\r\n"},
           Row{"delete k 0 noreply\r\n", "delete k\r\n"},
           Row{"delete noreply noreply\r\n", "delete noreply\r\n"},
           Row{"flush_all noreply\r\n", "flush_all\r\n"},
           Row{"flush_all 10 noreply\r\n", "flush_all 10\r\n"},
           Row{"verbosity 1 noreply\r\n", "verbosity 1\r\n"},
           Row{"cache_memlimit 64 noreply\r\n", "cache_memlimit 64\r\n"},
           Row{"slabs automove 1 noreply\r\n", "slabs automove 1\r\n"},
           Row{"lru mode flat noreply\r\n", "lru mode flat\r\n"},
       }) {
    CAPTURE(row.input);
    const Outcome outcome = parse_at_every_split(row.input);
    CHECK(outcome.quiet);
    CHECK(outcome.canonical == row.canonical);
  }
  // `delete noreply` deletes the key of that name.
  CHECK_FALSE(parse_at_every_split("delete noreply\r\n").quiet);
}

TEST_CASE("what a request needs") {
  CHECK(parse("get k\r\n").needs == Command::Get);
  CHECK(parse("gets k\r\n").needs == Command::Gets);
  CHECK(parse("gat 1 k\r\n").needs == (CommandSet{Command::Gat} | Command::Touch));
  CHECK(parse("gats 1 k\r\n").needs == (CommandSet{Command::Gats} | Command::Touch));
  CHECK(parse("set k 0 0 0\r\n\r\n").needs == Command::Set);
  CHECK(parse("stats cachedump 1 1\r\n").needs == Command::StatsCachedump);
  CHECK(parse("lru_crawler metadump all\r\n").needs == Command::LruCrawlerDump);
}

TEST_CASE("lines without a data block that are refused") {
  for (const Refused& row : {
           Refused{"\r\n", "ERROR"},
           Refused{"\n", "ERROR"},
           Refused{"   \r\n", "ERROR"},
           Refused{" get k\r\n", "ERROR"},
           Refused{"  flush_all\r\n", "ERROR"},
           Refused{"GET k\r\n", "ERROR"},
           Refused{"gett k\r\n", "ERROR"},
           Refused{"foo\r\n", "ERROR"},
           Refused{"mz k\r\n", "ERROR"},
           Refused{"m\r\n", "ERROR"},
           Refused{"get\r\n", "ERROR"},
           Refused{"get \r\n", "ERROR"},
           Refused{"gat 0\r\n", "ERROR"},
           Refused{"gat k k\r\n", "CLIENT_ERROR invalid exptime argument"},
           Refused{"gat 4294967296 k\r\n", "CLIENT_ERROR invalid exptime argument"},
           Refused{"get " + kTooLongKey + "\r\n", "CLIENT_ERROR bad command line format"},
           Refused{"get a\tb\r\n", "CLIENT_ERROR bad command line format"},
           Refused{"get a\r\r\n", "CLIENT_ERROR bad command line format"},
           Refused{"get a \x7f\r\n", "CLIENT_ERROR bad command line format"},
           Refused{std::string{"get a\0b\r\n", 9}, "CLIENT_ERROR bad command line format"},
           Refused{std::string{"get a \0\r\n", 9}, "CLIENT_ERROR bad command line format"},
           Refused{std::string{"get\0 a\r\n", 8}, "ERROR"},
           Refused{"get\ta\r\n", "ERROR"},
           Refused{"incr k\r\n", "ERROR"},
           Refused{"incr k 1 2 3\r\n", "ERROR"},
           Refused{"incr k -1\r\n", "CLIENT_ERROR invalid numeric delta argument"},
           Refused{"incr k 18446744073709551616\r\n", "CLIENT_ERROR invalid numeric delta argument"},
           Refused{"incr k 1 NOREPLY\r\n", "CLIENT_ERROR bad command line format"},
           Refused{"incr k 1 noreply\t\r\n", "CLIENT_ERROR bad command line format"},
           Refused{"incr k x noreply\r\n", ""},
           Refused{"incr " + kTooLongKey + " 1\r\n", "CLIENT_ERROR bad command line format"},
           Refused{"touch k\r\n", "ERROR"},
           Refused{"touch k x\r\n", "CLIENT_ERROR invalid exptime argument"},
           Refused{"touch k 2147483648\r\n", "CLIENT_ERROR invalid exptime argument"},
           Refused{"touch k x noreply\r\n", ""},
           Refused{"delete\r\n", "ERROR"},
           Refused{"delete k 0 noreply x\r\n", "ERROR"},
           Refused{"delete k 1\r\n", "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]"},
           Refused{"delete k 1 noreply\r\n", ""},
           Refused{"delete " + kTooLongKey + "\r\n", "CLIENT_ERROR bad command line format"},
           Refused{"noop\r\n", "ERROR"},
           Refused{"sasl_auth PLAIN\r\n", "ERROR"},
           Refused{"misbehave\r\n", "ERROR"},
           Refused{"debugtime p\r\n", "ERROR"},
           Refused{"GET / HTTP/1.1\r\n", "", 0, true},
           Refused{"POST /x HTTP/1.0 \r\n", "", 0, true},
       }) {
    check_refused(row);
  }
}

TEST_CASE("storage lines that are refused: the data never becomes a command") {
  constexpr std::string_view kBad = "CLIENT_ERROR bad command line format";
  for (const Refused& row : {
           Refused{"set " + kTooLongKey + " 0 0 5\r\n", std::string{kBad}, 7},
           Refused{"set " + kTooLongKey + " 0 0 5 noreply\r\n", "", 7},
           Refused{"set a\tb 0 0 5\r\n", std::string{kBad}, 7},
           Refused{std::string{"set a\0b 0 0 5\r\n", 15}, std::string{kBad}, 7},
           Refused{"set k x 0 5\r\n", std::string{kBad}, 7},
           Refused{"set k -1 0 5\r\n", std::string{kBad}, 7},
           Refused{"set k 4294967296 0 5\r\n", std::string{kBad}, 7},
           Refused{"set k 0 4294967296 5\r\n", std::string{kBad}, 7},
           Refused{"set k 0 +1 5\r\n", std::string{kBad}, 7},
           Refused{"set k 0 0 5 NOREPLY\r\n", std::string{kBad}, 7},
           Refused{"set k 0 0 5 noreply\t\r\n", std::string{kBad}, 7},
           Refused{"set k 0 0 5 noreply noreply\r\n", "ERROR", 7},
           Refused{"cas k 0 0 5\r\n", "ERROR", 7},
           Refused{"cas k 0 0 5 noreply\r\n", "", 7},
           Refused{"cas k 0 0 5 -18446744073709551615\r\n", std::string{kBad}, 7},
           Refused{" set k 0 0 5\r\n", "ERROR", 7},
           Refused{"set k 0 0 1048577\r\n", "SERVER_ERROR object too large for cache", 1048579},
           Refused{"set k 0 0 1048577 noreply\r\n", "", 1048579},
           Refused{"set k 0 0 67108862\r\n", "SERVER_ERROR object too large for cache", 67108864},
           Refused{"set k 0 0 67108863\r\n", "SERVER_ERROR object too large for cache", 0, true},
           Refused{"set k 0 0 67108863 noreply\r\n", "SERVER_ERROR object too large for cache", 0, true},
           Refused{"set k 0 0 4294967299\r\n", "SERVER_ERROR object too large for cache", 0, true},
           Refused{"set k 0 0 18446744073709551615\r\n", "SERVER_ERROR object too large for cache", 0, true},
           Refused{"set k 0 0 18446744073709551616\r\n", std::string{kBad}, 0, true},
           Refused{"set k 0 0 -4294967293\r\n", std::string{kBad}, 0, true},
           Refused{"set k 0 0 -1\r\n", std::string{kBad}, 0, true},
           Refused{"set k 0 0 5x\r\n", std::string{kBad}, 0, true},
           Refused{"set k 0 0 \t5\r\n", std::string{kBad}, 0, true},
           Refused{"set\r\n", "ERROR", 0, true},
           Refused{"set k 0 5\r\n", "ERROR", 0, true},
           Refused{" set k 0 5\r\n", "ERROR", 0, true},
           // A key with a space: the number behind may be the length.
           Refused{"set a b 0 0 5\r\n", "ERROR", 0, true},
           Refused{"set a 1 0 0 5\r\n", "ERROR", 0, true},
           Refused{"set a b c 0 0 5\r\n", "ERROR", 0, true},
           Refused{"cas a b 0 0 5 9\r\n", "ERROR", 0, true},
           Refused{"set a b c d e 0 0 5\r\n", std::string{kBad}, 0, true},
           Refused{"set k 0 0 5" + std::string(100, ' ') + "a b c d e f g h i j k l m n o p q r s t u 5\r\n",
                   "ERROR", 0, true},
       }) {
    check_refused(row);
  }
}

TEST_CASE("a data block ends in exactly CRLF") {
  for (const std::string_view data : {"helloXX", "hello\n\n", "hello\rX", "hello\n\r", "hell\r\nX"}) {
    CAPTURE(data);
    const Outcome outcome = parse_at_every_split("set k 0 0 5\r\n" + std::string{data});
    CHECK(outcome.broken);
    CHECK(outcome.reply == "CLIENT_ERROR bad data chunk\r\n");
    CHECK(outcome.consumed == 13 + 7);
    CHECK_FALSE(outcome.close);
    CHECK(parse_at_every_split("set k 0 0 5 noreply\r\n" + std::string{data}).reply.empty());
  }
}

TEST_CASE("values may hold anything") {
  const std::string data{"\0\r\n\xff get x\r\n", 12};
  const Outcome outcome = parse_at_every_split("set k 0 0 12\r\n" + data + "\r\n");
  CHECK(outcome.value == data);
  CHECK(outcome.canonical == "set k 0 0 12\r\n" + data + "\r\n");
}

TEST_CASE("a line that has no end within its limit") {
  const ParseLimits limits{.line_bytes = 16, .get_line_bytes = 32};
  struct Row {
    std::string input;
    bool too_long;
  };
  for (const Row& row : {
           Row{"delete 12345678\n", false},
           Row{"delete 123456789\n", true},
           Row{"delete 1234567\r\n", false},
           Row{"delete 12345678\r\n", true},
           Row{"get 123456789012345678901234567\n", false},
           Row{"get 1234567890123456789012345678\n", true},
           Row{"gets 12345678901234567890123456\n", false},
           // Only get's and gets' own lines may be long.
           Row{"gat 0 12345678901\n", true},
           Row{"mg 12345678901234567\n", true},
           Row{" get 123456789012\n", true},
           Row{"getx 123456789012\n", true},
           Row{std::string(100, 'x'), true},
       }) {
    CAPTURE(row.input);
    const Outcome outcome = parse_at_every_split(row.input, limits);
    CHECK(outcome.close == row.too_long);
    CHECK(outcome.broken == row.too_long);
    CHECK(outcome.reply == (row.too_long ? "CLIENT_ERROR line too long\r\n" : ""));
  }
  CHECK(parse(std::string(15, 'x'), limits).more == 16);
}

TEST_CASE("a long line that comes in pieces is looked through once") {
  Request request;
  const auto begun = parse_text("get a b", {}, request);
  REQUIRE(std::holds_alternative<NeedMore>(begun));
  CHECK(std::get<NeedMore>(begun).searched == 7);
  // What was searched is taken on trust, so a line end there goes unseen.
  CHECK(std::holds_alternative<NeedMore>(parse_text("get a\nb", {}, request, 7)));
  CHECK(std::holds_alternative<Parsed>(parse_text("get a b\n", {}, request, 7)));
  // Of a value that is not whole the line is.
  const auto value = parse_text("set k 0 0 9\r\nx", {}, request);
  REQUIRE(std::holds_alternative<NeedMore>(value));
  CHECK(std::get<NeedMore>(value).searched == 0);
}

TEST_CASE("too many keys are refused, and the connection kept") {
  const ParseLimits limits{.keys = 3};
  CHECK_FALSE(parse_at_every_split("get a b c\r\n", limits).broken);
  for (const std::string_view row : {"get a b c d\r\n", "gets a b c d\r\n", "gat 0 a b c d\r\n"}) {
    CAPTURE(row);
    const Outcome outcome = parse_at_every_split(row, limits);
    CHECK(outcome.reply == "CLIENT_ERROR too many keys\r\n");
    CHECK_FALSE(outcome.close);
  }
}

TEST_CASE("one key many times in a long get is still a get") {
  std::string line = "get";
  for (int i = 0; i < 10'000; ++i) line += " k";
  line += "\r\n";
  const Outcome outcome = parse(line);
  CHECK(outcome.keys.size() == 10'000);
  CHECK(outcome.canonical == line);
}

TEST_CASE("a gat line that memcached might close on is refused") {
  std::string keys;
  for (int i = 0; i < 4; ++i) keys += " " + std::string(250, 'k');
  // A bound may make of any exptime one of ten digits.
  for (const std::string exptime : {"-2147483648", "0"}) {
    CAPTURE(exptime);
    const std::string most = "gats " + exptime + keys + " k";
    CHECK(parse_at_every_split(most + "\r\n").canonical.size() <= 1024);
    CHECK_FALSE(parse_at_every_split(most + "\r\n").broken);
    const Outcome outcome = parse_at_every_split(most + "k\r\n");
    CHECK(outcome.reply == "CLIENT_ERROR line too long\r\n");
    CHECK_FALSE(outcome.close);
  }
  // Spaces do not go up.
  CHECK_FALSE(parse_at_every_split("gats 0" + keys + std::string(500, ' ') + "k\r\n").broken);
  // A namespace does, with each key.
  std::string shorter = "gats 0";
  for (int i = 0; i < 4; ++i) shorter += " " + std::string(249, 'k');
  shorter += " k\r\n";
  CHECK_FALSE(parse_at_every_split(shorter).broken);
  CHECK(parse_at_every_split(shorter, {.namespace_bytes = 1}).reply == "CLIENT_ERROR line too long\r\n");
}
