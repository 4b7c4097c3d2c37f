#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "protocol/reply.hpp"
#include "tests/unit/protocol/reply_feed.hpp"

namespace mcgate::protocol {
namespace {

using enum Command;
using enum Came;

struct Row {
  Command command;
  std::string_view keys;
  std::string_view reply;
  Came came;
};

void check(const Row& row) {
  CAPTURE(protocol::row(row.command).name);
  CAPTURE(row.keys);
  CAPTURE(row.reply);
  Expected expected = expecting(row.command, Dialect::Text, row.keys);
  const Fed fed = feed(row.reply, expected);
  CHECK(fed.came == row.came);
  CHECK(fed.out == row.reply.substr(0, fed.consumed));
  if (row.came == ToEnd) CHECK(fed.consumed == row.reply.size());

  // The same, had the client said noreply: nothing of a one-line reply.
  if (protocol::row(row.command).reply != ReplyShape::Line) return;
  expected.caller.quiet = true;
  const Fed quiet = feed(row.reply, expected);
  CHECK(quiet.came == row.came);
  CHECK(quiet.consumed == fed.consumed);
  CHECK(quiet.out.empty());
}

TEST_CASE("a one-line reply is one that the command can have") {
  const Row rows[] = {
      {Set, "k", "STORED\r\n", ToEnd},
      {Set, "k", "SERVER_ERROR object too large for cache\r\n", ToEnd},
      {Set, "k", "SERVER_ERROR out of memory storing object\r\n", ToEnd},
      {Set, "k", "SERVER_ERROR Connection refused\r\n", ToEnd},  // twemproxy's
      {Set, "k", "STORED", ToWaiting},
      {Set, "k", "", ToWaiting},
      {Set, "k", "NOT_STORED\r\n", ToPoison},
      {Set, "k", "EXISTS\r\n", ToPoison},
      {Set, "k", "NOT_FOUND\r\n", ToPoison},
      {Set, "k", "DELETED\r\n", ToPoison},
      {Set, "k", "OK\r\n", ToPoison},
      {Set, "k", "5\r\n", ToPoison},
      {Set, "k", "END\r\n", ToPoison},
      {Set, "k", "VALUE k 0 1\r\na\r\nEND\r\n", ToPoison},
      {Set, "k", "ERROR\r\n", ToPoison},
      {Set, "k", "ERROR Too many open connections\r\n", ToPoison},
      {Set, "k", "CLIENT_ERROR bad data chunk\r\n", ToPoison},
      {Set, "k", "CLIENT_ERROR bad command line format\r\n", ToPoison},
      {Set, "k", "CLIENT_ERROR unauthenticated\r\n", ToPoison},
      {Set, "k", "SERVER_ERROR out of memory writing get response\r\n", ToPoison},
      {Set, "k", "SERVER_ERROR \x1b[2J\r\n", ToPoison},
      {Set, "k", "STORED\n", ToPoison},
      {Set, "k", "STORED \r\n", ToPoison},
      {Set, "k", "stored\r\n", ToPoison},
      {Set, "k", "\r\n", ToPoison},
      {Set, "k", "\r\nSTORED\r\n", ToPoison},
      {Add, "k", "STORED\r\n", ToEnd},
      {Add, "k", "NOT_STORED\r\n", ToEnd},
      {Add, "k", "EXISTS\r\n", ToPoison},
      {Replace, "k", "NOT_STORED\r\n", ToEnd},
      {Append, "k", "NOT_STORED\r\n", ToEnd},
      {Prepend, "k", "STORED\r\n", ToEnd},
      {Cas, "k", "STORED\r\n", ToEnd},
      {Cas, "k", "EXISTS\r\n", ToEnd},
      {Cas, "k", "NOT_FOUND\r\n", ToEnd},
      {Cas, "k", "NOT_STORED\r\n", ToPoison},
      {Delete, "k", "DELETED\r\n", ToEnd},
      {Delete, "k", "NOT_FOUND\r\n", ToEnd},
      {Delete, "k", "STORED\r\n", ToPoison},
      {Delete, "k", "SERVER_ERROR object too large for cache\r\n", ToPoison},
      {Touch, "k", "TOUCHED\r\n", ToEnd},
      {Touch, "k", "NOT_FOUND\r\n", ToEnd},
      {Touch, "k", "DELETED\r\n", ToPoison},
      {Touch, "k", "CLIENT_ERROR invalid exptime argument\r\n", ToPoison},
      {Incr, "k", "0\r\n", ToEnd},
      {Incr, "k", "18446744073709551615\r\n", ToEnd},
      {Incr, "k", "NOT_FOUND\r\n", ToEnd},
      {Incr, "k", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n", ToEnd},
      {Incr, "k", "SERVER_ERROR out of memory in incr\r\n", ToEnd},
      {Incr, "k", "18446744073709551616\r\n", ToPoison},
      {Incr, "k", "-1\r\n", ToPoison},
      {Incr, "k", "5 \r\n", ToPoison},
      {Incr, "k", "CLIENT_ERROR invalid numeric delta argument\r\n", ToPoison},
      {Decr, "k", "7\r\n", ToEnd},
      {FlushAll, "", "OK\r\n", ToEnd},
      {FlushAll, "", "CLIENT_ERROR flush_all not allowed\r\n", ToEnd},
      {FlushAll, "", "STORED\r\n", ToPoison},
      {Verbosity, "", "ERROR\r\n", ToEnd},
      {CacheMemlimit, "", "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n", ToEnd},
      {Slabs, "", "SAME src and dst class are identical\r\n", ToEnd},
      {Slabs, "", "BUSY currently processing reassign request\r\n", ToEnd},
      {LruCrawler, "", "ERROR failed to start lru crawler thread\r\n", ToEnd},
      {Shutdown, "", "ERROR: shutdown not enabled\r\n", ToEnd},
      {RefreshCerts, "", "Error TLS not enabled\r\n", ToEnd},
      {LruCrawler, "", "ERROR Too many open connections\r\n", ToPoison},
      {LruCrawler, "", "VALUE k 0 1\r\n", ToPoison},
      {Version, "", "VERSION 1.6.18\r\n", ToPoison},  // answered here, never asked
  };
  for (const Row& row : rows) check(row);
}

TEST_CASE("the values of a get are of keys that were asked for, in that order") {
  const Row rows[] = {
      {Get, "a", "END\r\n", ToEnd},
      {Get, "a", "VALUE a 0 3\r\nabc\r\nEND\r\n", ToEnd},
      {Get, "a", "VALUE a 4294967295 0\r\n\r\nEND\r\n", ToEnd},
      {Get, "a", "VALUE a 0 12\r\nb\r\nEND\r\nEND\r\r\nEND\r\n", ToEnd},  // data that looks like a reply
      {Get, "a b c", "VALUE a 0 1\r\n1\r\nVALUE c 0 1\r\n3\r\nEND\r\n", ToEnd},
      {Get, "a a", "VALUE a 0 1\r\n1\r\nVALUE a 0 1\r\n1\r\nEND\r\n", ToEnd},
      {Get, "a b a", "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nVALUE a 0 1\r\n1\r\nEND\r\n", ToEnd},
      {Get, "a", "VALUE a 0 3\r\nabc\r\n", ToWaiting},
      {Get, "a", "VALUE a 0 3\r\nab", ToWaiting},
      {Get, "a", "VALUE b 0 3\r\nabc\r\nEND\r\n", ToPoison},   // another's key
      {Get, "aa", "VALUE a 0 3\r\nabc\r\nEND\r\n", ToPoison},  // a part of it
      {Get, "a", "VALUE aa 0 3\r\nabc\r\nEND\r\n", ToPoison},
      {Get, "a b", "VALUE b 0 1\r\n2\r\nVALUE a 0 1\r\n1\r\nEND\r\n", ToPoison},  // out of order
      {Get, "a b", "VALUE a 0 1\r\n1\r\nVALUE a 0 1\r\n1\r\nEND\r\n", ToPoison},  // more often than asked
      {Get, "a", "VALUE a 0 3 7\r\nabc\r\nEND\r\n", ToPoison},                    // with a cas unasked
      {Get, "a", "VALUE a 0 3 \r\nabc\r\nEND\r\n", ToPoison},
      {Get, "a", "VALUE  0 3\r\nabc\r\nEND\r\n", ToPoison},
      {Get, "a", "VALUE a 0\r\nabc\r\nEND\r\n", ToPoison},
      {Get, "a", "VALUE a 0 -3\r\nabc\r\nEND\r\n", ToPoison},
      {Get, "a", "VALUE a 0 134217729\r\n", ToPoison},
      {Get, "a", "VALUE a 0 4294967299\r\nabc\r\nEND\r\n", ToPoison},
      {Get, "a", "VALUE a 4294967296 3\r\nabc\r\nEND\r\n", ToPoison},
      {Get, "a", "VALUE a -1 3\r\nabc\r\nEND\r\n", ToPoison},
      {Get, "a", "VALUE a 0 3x\r\nabc\r\nEND\r\n", ToPoison},
      {Get, "a", "VALUE a 0 3\nabc\r\nEND\r\n", ToPoison},
      {Get, "a", "VALUE a 0 3\r\nabcdEND\r\n", ToPoison},
      {Get, "a", "VALUE a 0 3\r\nabc\nxEND\r\n", ToPoison},
      {Get, "a", "END\n", ToPoison},
      {Get, "a", "\r\n", ToPoison},  // what newer versions add to errors
      {Get, "a", "ERROR\r\n", ToPoison},
      {Get, "a", "SERVER_ERROR out of memory writing get response\r\n", ToPoison},
      {Get, "a b", "VALUE a 0 1\r\n1\r\nSERVER_ERROR out of memory writing get response\r\n", ToPoison},
      {Get, "a", "CLIENT_ERROR bad command line format\r\n", ToPoison},
      {Get, "a", "STORED\r\n", ToPoison},
      {Gets, "a", "VALUE a 5 3 18446744073709551615\r\nabc\r\nEND\r\n", ToEnd},
      {Gets, "a", "VALUE a 5 3\r\nabc\r\nEND\r\n", ToPoison},
      {Gets, "a", "VALUE a 5 3 -1\r\nabc\r\nEND\r\n", ToPoison},
      {Gets, "a", "VALUE a 5 3 1 1\r\nabc\r\nEND\r\n", ToPoison},
      {Gat, "a", "VALUE a 5 3\r\nabc\r\nEND\r\n", ToEnd},
      {Gat, "a", "VALUE a 5 3 1\r\nabc\r\nEND\r\n", ToPoison},
      {Gats, "a", "VALUE a 5 3 1\r\nabc\r\nEND\r\n", ToEnd},
      {Gats, "a", "VALUE a 5 3\r\nabc\r\nEND\r\n", ToPoison},
  };
  for (const Row& row : rows) check(row);
}

TEST_CASE("requests that share a get line are told apart by their keys") {
  struct SharedLine {
    std::vector<std::string> keys;  // one request each
    std::string_view input;
    std::vector<std::string> out;  // what each request's client gets
  };
  const SharedLine rows[] = {
      {{"a", "b"}, "END\r\n", {"END\r\n", "END\r\n"}},
      {{"a", "b"},
       "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nEND\r\n",
       {"VALUE a 0 1\r\n1\r\nEND\r\n", "VALUE b 0 1\r\n2\r\nEND\r\n"}},
      {{"a", "b", "c"}, "VALUE c 0 1\r\n3\r\nEND\r\n", {"END\r\n", "END\r\n", "VALUE c 0 1\r\n3\r\nEND\r\n"}},
      {{"a", "b", "c"}, "VALUE a 0 1\r\n1\r\nEND\r\n", {"VALUE a 0 1\r\n1\r\nEND\r\n", "END\r\n", "END\r\n"}},
      {{"a", "b"}, "VALUE x 0 1\r\n1\r\nEND\r\n", {"END\r\n", ""}},  // nobody's: poison
      {{"a", "b"}, "VALUE b 0 1\r\n2\r\nVALUE a 0 1\r\n1\r\nEND\r\n", {"END\r\n", "VALUE b 0 1\r\n2\r\n"}},
      {{"a", "b"}, "ERROR\r\n", {"", ""}},
  };
  for (const SharedLine& row : rows) {
    CAPTURE(row.input);
    std::string_view input = row.input;
    bool poisoned = false;
    for (std::size_t i = 0; i < row.keys.size(); ++i) {
      CAPTURE(i);
      Expected expected;
      expected.caller.command = Command::Get;
      expected.keys = row.keys[i];
      expected.line_goes_on = i + 1 < row.keys.size();
      std::string out;
      for (bool ended = poisoned; !ended;) {
        const ReplyResult result = read_reply(input, expected, out);
        if (const auto* part = std::get_if<ReplyPart>(&result)) {
          input.remove_prefix(part->consumed);
        } else if (const auto* end = std::get_if<ReplyEnd>(&result)) {
          input.remove_prefix(end->consumed);
          ended = true;
        } else {
          REQUIRE(std::holds_alternative<ReplyPoisoned>(result));
          ended = poisoned = true;
        }
      }
      CHECK(out == row.out[i]);
    }
    CHECK(input.empty() != poisoned);
  }
}

TEST_CASE("a value's key is proven before its data is there") {
  Expected expected = expecting(Get, Dialect::Text, "a");
  std::string out;
  CHECK(std::holds_alternative<ReplyPoisoned>(read_reply("VALUE b 0 100000000\r\n", expected, out)));
  const ReplyResult result = read_reply("VALUE a 0 100000000\r\n", expected, out);
  REQUIRE(std::holds_alternative<ReplyNeedsMore>(result));
  CHECK(std::get<ReplyNeedsMore>(result).total == 21 + 100'000'000 + 2);
  CHECK_FALSE(expected.began);
}

TEST_CASE("an extra line is not part of a reply") {
  const Expected expected = expecting(Get, Dialect::Text, "a");
  CHECK(feed("END\r\nEND\r\n", expected) == Fed{ToEnd, "END\r\n", 5, 0});
}

TEST_CASE("statistics end with END or are one line") {
  const Row rows[] = {
      {Stats, "", "STAT pid 1\r\nSTAT version 1.6.18\r\nEND\r\n", ToEnd},
      {Stats, "", "STAT empty \r\nEND\r\n", ToEnd},
      {Stats, "", "END\r\n", ToEnd},
      {Stats, "", "ERROR\r\n", ToEnd},
      {Stats, "", "STAT pid 1\r\n", ToWaiting},
      {Stats, "", "STAT pid 1\r\nERROR\r\n", ToPoison},
      {Stats, "", "STAT pid 1\r\nSTORED\r\n", ToPoison},
      {Stats, "", "STAT \r\nEND\r\n", ToPoison},
      {Stats, "", "STAT a\x01 b\r\nEND\r\n", ToPoison},
      {Stats, "", "ITEM k [1 b; 2 s]\r\nEND\r\n", ToPoison},
      {Stats, "", "RESET\r\n", ToPoison},
      {Stats, "", "OK\r\n", ToPoison},
      {Stats, "", "CLIENT_ERROR bad command line format\r\n", ToPoison},
      {Stats, "", "ERROR Too many open connections\r\n", ToPoison},
      {StatsReset, "", "RESET\r\n", ToEnd},
      {StatsDetail, "", "OK\r\n", ToEnd},
      {StatsDetail, "", "PREFIX a get 1 hit 0 set 0 del 0\r\nEND\r\n", ToEnd},
      {StatsDetail, "", "CLIENT_ERROR usage: stats detail on|off|dump\r\n", ToEnd},
      {StatsDetail, "", "PREFIX a\x01 get 1 hit 0 set 0 del 0\r\nEND\r\n", ToPoison},
      {StatsDetail, "", "PREFIX a get 1 hit 0 set 0 del 0\r\nOK\r\n", ToPoison},
      {StatsItems, "", "STAT items:1:number 6\r\nEND\r\n", ToEnd},
      {StatsCachedump, "", "ITEM k [1 b; 1700000000 s]\r\nEND\r\n", ToEnd},
      {StatsCachedump, "", "ITEM \x01 x [1 b; 0 s]\r\nEND\r\n", ToEnd},
      {StatsCachedump, "", "CLIENT_ERROR Illegal slab id\r\n", ToEnd},
      {StatsCachedump, "", "ITEM a\r\nEND\r\n [1 b; 0 s]\r\nEND\r\n", ToPoison},  // a key with CRLF in it
      {StatsCachedump, "", "ITEM s]\r\nEND\r\n", ToPoison},
      {StatsCachedump, "", "ITEM  [1 b; 0 s]\r\nEND\r\n", ToPoison},
      {StatsCachedump, "", "ITEM k [x b; 0 s]\r\nEND\r\n", ToPoison},
      {StatsConns, "", "STAT 24:addr tcp:127.0.0.1:1\r\nEND\r\n", ToEnd},
  };
  for (const Row& row : rows) check(row);
}

TEST_CASE("a stream is told line by line") {
  const Row rows[] = {
      {LruCrawlerDump, "", "key=a%20b exp=-1 la=1 cas=2 fetch=no cls=1 size=65\nkey=b exp=0\nEND\r\n", ToEnd},
      {LruCrawlerDump, "", "OK\r\nkey=a exp=-1\nEND\r\n", ToEnd},
      {LruCrawlerDump, "", "mg abc\r\nmg YQ== b\r\nEN\r\n", ToEnd},
      {LruCrawlerDump, "", "END\r\n", ToEnd},
      {LruCrawlerDump, "", "BUSY currently processing crawler request\r\n", ToEnd},
      {LruCrawlerDump, "", "ERROR\r\n", ToEnd},
      {LruCrawlerDump, "", "key=a exp=-1\n", ToWaiting},
      {LruCrawlerDump, "", "OK\r\nOK\r\n", ToPoison},
      {LruCrawlerDump, "", "key=a exp=-1\nBUSY now\r\n", ToPoison},
      {LruCrawlerDump, "", "key=a\x01\nEND\r\n", ToPoison},
      {LruCrawlerDump, "", "VALUE a 0 1\r\n", ToPoison},
      {LruCrawlerDump, "", "ERROR Too many open connections\r\n", ToPoison},
      {Watch, "", "OK\r\nts=1.2 gid=2 type=item_get key=x\nEND\n", ToWaiting},
      {Watch, "", "WATCHER_TOO_MANY log watcher limit reached\r\n", ToEnd},
      {Watch, "", "ts=1.2 gid=2 type=item_get key=x\n", ToPoison},
      {Watch, "", "OK\r\nts=1.2 \x1b[2J\n", ToPoison},
  };
  for (const Row& row : rows) check(row);
  CHECK(feed("key=a\nkey=b\nEND\r\n", expecting(LruCrawlerDump, Dialect::Text, "")).parts == 2);
}

TEST_CASE("a line has an end, and soon") {
  const std::string endless(kMaxReplyLine, 'x');
  for (const Command command : {Get, Set, Stats, LruCrawlerDump, Watch, MetaDebug}) {
    CAPTURE(row(command).name);
    Expected expected = expecting(command, Dialect::Text, "k");
    std::string out;
    CHECK(std::holds_alternative<ReplyNeedsMore>(
        read_reply(std::string_view{endless}.substr(1), expected, out)));
    CHECK(std::holds_alternative<ReplyPoisoned>(read_reply(endless, expected, out)));
    CHECK(out.empty());
  }
}

TEST_CASE("statistics have an end") {
  const std::string reply = "STAT pid 1\r\nEND\r\n";
  Expected expected = expecting(Stats, Dialect::Text, "");
  expected.statistics = kMaxReplyStatistics - std::string_view{"STAT pid 1\r\n"}.size();
  CHECK(feed(reply, expected).came == ToEnd);
  ++expected.statistics;
  CHECK(feed(reply, expected).came == ToPoison);
}

TEST_CASE("expect() notes what a reply has to prove") {
  Request request;
  request.caller = {Get, Dialect::Text, true, 0, 0};
  request.keys = {"a", "bc"};
  Expected expected;
  expected.keys = "old";
  expected.next_key = 3;
  expected.began = true;
  expected.statistics = 1;
  expect(request, 7, {1, 6, 45}, expected);
  CHECK(expected.caller.command == Get);
  CHECK(expected.caller.quiet);
  CHECK(expected.sequence == 7);
  CHECK(expected.backend == protocol::Version{1, 6, 45});
  CHECK(expected.keys == "a bc");
  CHECK(expected.next_key == 0);
  CHECK_FALSE(expected.began);
  CHECK(expected.statistics == 0);
}

struct ProbeRow {
  std::string_view reply;
  std::string_view version;  // empty: it fails
  protocol::Version parsed;
};

TEST_CASE("a text link is used once its version is known") {
  const ProbeRow rows[] = {
      {"VERSION 1.6.18\r\n", "1.6.18", {1, 6, 18}},
      {"VERSION 1.4.0\r\n", "1.4.0", {1, 4, 0}},
      {"VERSION 1.6.18-debian\r\n", "1.6.18-debian", {1, 6, 18}},
      {"VERSION 1.4.4-14-g9c660c0\r\n", "1.4.4-14-g9c660c0", {1, 4, 4}},
      {"VERSION 1.6\r\n", "", {}},
      {"VERSION 1..6\r\n", "", {}},
      {"VERSION -1.6.1\r\n", "", {}},
      {"VERSION 99999999999.6.1\r\n", "", {}},
      {"VERSION 1.6.18\x1b[2J\r\n", "", {}},
      {"VERSION 1.6.18\n", "", {}},
      {"VERSION\r\n", "", {}},
      {"ERROR Too many open connections\r\n", "", {}},
      {"CLIENT_ERROR unauthenticated\r\n", "", {}},
      {"HTTP/1.1 400 Bad Request\r\n", "", {}},
      {"\r\n", "", {}},
      {"\n", "", {}},
  };
  for (const ProbeRow& row : rows) {
    CAPTURE(row.reply);
    for (std::size_t split = 0; split < row.reply.size(); ++split) {
      CHECK(std::holds_alternative<ProbeNeedsMore>(read_probe(Dialect::Text, row.reply.substr(0, split))));
    }
    const ProbeResult result = read_probe(Dialect::Text, row.reply);
    if (row.version.empty()) {
      CHECK(std::holds_alternative<ProbeFailed>(result));
      continue;
    }
    REQUIRE(std::holds_alternative<ProbeAnswer>(result));
    const auto& answer = std::get<ProbeAnswer>(result);
    CHECK(answer.version == row.parsed);
    CHECK(answer.text == row.version);
    CHECK(answer.consumed == row.reply.size());
  }
}

TEST_CASE("what a backend says instead of its version is kept printable and short") {
  const ProbeResult full = read_probe(Dialect::Text, "ERROR Too many open connections\r\n");
  REQUIRE(std::holds_alternative<ProbeFailed>(full));
  CHECK(std::get<ProbeFailed>(full).text == "ERROR Too many open connections");
  const std::string endless(256, '\x01');
  CHECK(std::holds_alternative<ProbeNeedsMore>(read_probe(Dialect::Text, endless.substr(1))));
  const ProbeResult failed = read_probe(Dialect::Text, endless);
  REQUIRE(std::holds_alternative<ProbeFailed>(failed));
  CHECK(std::get<ProbeFailed>(failed).text == std::string(100, '.'));
}

}  // namespace
}  // namespace mcgate::protocol
