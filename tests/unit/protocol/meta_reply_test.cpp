#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "protocol/reply_line.hpp"
#include "tests/unit/protocol/reply_feed.hpp"

namespace mcgate::protocol {
namespace {

using enum Command;
using enum Came;

constexpr protocol::Version kDebian{1, 6, 18};

// Every request here is the 77th on its link and about the key "secret".
Expected for_meta(Command command, std::string_view flags, bool quiet = false) {
  Request request;
  request.caller = {command, Dialect::Meta, quiet, 0, 0};
  request.keys = {"secret"};
  while (!flags.empty()) {
    const std::string_view flag = take_word(flags);
    request.meta_flags.push_back({flag[0], flag.substr(1)});
    request.meta_letters.add(flag[0]);
  }
  request.meta_key_sent = request.meta_letters.contains('b') ? "c2VjcmV0" : "secret";
  Expected expected;
  expect(request, 77, kDebian, expected);
  return expected;
}

struct Told {
  Command command;
  std::string_view flags;   // the client's
  std::string_view reply;   // memcached's
  std::string_view client;  // what the client gets
};

TEST_CASE("a meta reply is told in the client's own flags and order") {
  const Told rows[] = {
      {MetaGet, "", "HD O77\r\n", "HD\r\n"},
      {MetaGet, "v", "VA 3 O77\r\nabc\r\n", "VA 3\r\nabc\r\n"},
      {MetaGet, "v", "VA 0 O77\r\n\r\n", "VA 0\r\n\r\n"},
      {MetaGet, "v", "VA 6 O77\r\nEN\r\n\r\n\r\n", "VA 6\r\nEN\r\n\r\n\r\n"},  // data that looks like a reply
      {MetaGet, "v", "HD O77\r\n", "HD\r\n"},                                  // C, since 1.6.40
      {MetaGet, "", "EN O77\r\n", "EN\r\n"},
      {MetaGet, "Oabc k", "EN O77\r\n", "EN Oabc ksecret\r\n"},
      {MetaGet, "k Oabc v", "EN O77\r\n", "EN ksecret Oabc\r\n"},
      {MetaGet, "b k O1 v", "EN O77\r\n", "EN kc2VjcmV0 b O1\r\n"},
      {MetaGet, "k O1 b v", "EN O77\r\n", "EN kc2VjcmV0 b O1\r\n"},
      {MetaGet, "O1 k b", "EN O77\r\n", "EN O1 kc2VjcmV0 b\r\n"},
      {MetaGet, "b O1", "EN O77\r\n", "EN O1\r\n"},
      {MetaGet, "O7 k s v f c t h l", "VA 3 s3 f5 c1 t-1 h1 l0 O77\r\nabc\r\n",
       "VA 3 O7 ksecret s3 f5 c1 t-1 h1 l0\r\nabc\r\n"},
      {MetaGet, "s O7 c", "HD O77 c18446744073709551615 s3\r\n", "HD s3 O7 c18446744073709551615\r\n"},
      {MetaGet, "k N30 v", "VA 0 O77 W\r\n\r\n", "VA 0 ksecret W\r\n\r\n"},
      {MetaGet, "c v", "VA 1 c8 O77 Z X\r\n1\r\n", "VA 1 c8 Z X\r\n1\r\n"},
      {MetaGet, "c v", "VA 1 c8 O77 X W\r\n1\r\n", "VA 1 c8 X W\r\n1\r\n"},
      {MetaGet, "Ov s", "HD s1 O77\r\n", "HD Ov s1\r\n"},
      {MetaGet, "v", "SERVER_ERROR out of memory\r\n", "SERVER_ERROR out of memory\r\n"},
      {MetaGet, "E9", "CLIENT_ERROR invalid flag\r\n", "CLIENT_ERROR invalid flag\r\n"},
      {MetaSet, "b k O1", "HD O77\r\n", "HD kc2VjcmV0 b O1\r\n"},
      {MetaSet, "O1 k c b", "HD c5 O77\r\n", "HD O1 kc2VjcmV0 b c5\r\n"},
      {MetaSet, "k c O9 C1", "EX c0 O77\r\n", "EX ksecret c0 O9\r\n"},
      {MetaSet, "k c O9 C1", "NF c0 O77\r\n", "NF ksecret c0 O9\r\n"},
      {MetaSet, "k MA", "NS O77\r\n", "NS ksecret\r\n"},
      {MetaSet, "s c", "HD c38 O77\r\n", "HD c38\r\n"},  // s of ms is not returned before 1.6.20
      {MetaSet, "s c", "HD s9 c38 O77\r\n", "HD s9 c38\r\n"},
      {MetaSet, "", "SERVER_ERROR object too large for cache\r\n",
       "SERVER_ERROR object too large for cache\r\n"},
      {MetaDelete, "O1 k b I T30", "HD O77\r\n", "HD O1 kc2VjcmV0 b\r\n"},
      {MetaDelete, "k", "NF O77\r\n", "NF ksecret\r\n"},
      {MetaDelete, "C1", "EX O77\r\n", "EX\r\n"},
      {MetaArithmetic, "", "HD O77\r\n", "HD\r\n"},
      {MetaArithmetic, "k O1 v t c", "VA 1 t-1 c10 O77\r\n7\r\n", "VA 1 ksecret O1 t-1 c10\r\n7\r\n"},
      {MetaArithmetic, "k", "NF O77\r\n", "NF ksecret\r\n"},
      {MetaArithmetic, "N0 C5", "EX O77\r\n", "EX\r\n"},
      {MetaArithmetic, "N0", "NS O77\r\n", "NS\r\n"},
      {MetaArithmetic, "", "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
       "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"},
      {MetaDebug, "", "ME secret exp=-1 la=0 cas=14 fetch=no cls=1 size=64\r\n",
       "ME secret exp=-1 la=0 cas=14 fetch=no cls=1 size=64\r\n"},
      {MetaDebug, "b", "ME c2VjcmV0 exp=-1 la=0\r\n", "ME c2VjcmV0 exp=-1 la=0\r\n"},
      {MetaDebug, "b", "ME secret exp=-1 la=0\r\n", "ME c2VjcmV0 exp=-1 la=0\r\n"},
      {MetaDebug, "", "EN\r\n", "EN\r\n"},
  };
  for (const Told& row : rows) {
    CAPTURE(protocol::row(row.command).name);
    CAPTURE(row.flags);
    CAPTURE(row.reply);
    CHECK(feed(row.reply, for_meta(row.command, row.flags)) ==
          Fed{ToEnd, std::string{row.client}, row.reply.size(), 0});
  }
}

struct Poison {
  Command command;
  std::string_view flags;
  std::string_view reply;
};

TEST_CASE("a meta reply without proof is poison") {
  const Poison rows[] = {
      {MetaGet, "", "HD\r\n"},
      {MetaGet, "", "HD O76\r\n"},
      {MetaGet, "", "HD O077\r\n"},
      {MetaGet, "", "HD O\r\n"},
      {MetaGet, "", "HD O77 O77\r\n"},
      {MetaGet, "O77", "HD O770\r\n"},
      {MetaGet, "", "EN\r\n"},
      {MetaGet, "", "EN O78\r\n"},
      {MetaGet, "s", "EN s1 O77\r\n"},
      {MetaGet, "v", "VA 3 O76\r\nabc\r\n"},
      {MetaGet, "v", "VA 3\r\nabc\r\n"},
      {MetaGet, "v", "VA 3 O77\r\nabcd\r\n"},
      {MetaGet, "v", "VA 3 O77\r\nabc\nx\r\n"},
      {MetaGet, "v", "VA -3 O77\r\nabc\r\n"},
      {MetaGet, "v", "VA 134217729 O77\r\n"},
      {MetaGet, "v", "VA 4294967299 O77\r\nabc\r\n"},
      {MetaGet, "v", "VA O77\r\nabc\r\n"},
      {MetaGet, "s", "VA 3 O77\r\nabc\r\n"},  // a value unasked
      {MetaGet, "s", "HD f1 O77\r\n"},        // a flag unasked
      {MetaGet, "s", "HD s1 s1 O77\r\n"},     // a flag twice
      {MetaGet, "s", "HD sx O77\r\n"},        // not a number
      {MetaGet, "s", "HD s-1 O77\r\n"},       // t alone has a sign
      {MetaGet, "k", "HD ksecret O77\r\n"},   // we never ask for k
      {MetaGet, "", "HD Wx O77\r\n"},
      {MetaGet, "", "HD  O77\r\n"},
      {MetaGet, "", "HD O77 \r\n"},
      {MetaGet, "", "HD O77 \xff\r\n"},
      {MetaGet, "", "HD O77\n"},
      {MetaGet, "", "NF O77\r\n"},
      {MetaGet, "", "MN\r\n"},
      {MetaGet, "", "ERROR\r\n"},
      {MetaGet, "", "END\r\n"},
      {MetaGet, "", "\r\n"},
      {MetaGet, "", " HD O77\r\n"},
      {MetaGet, "v", "SERVER_ERROR out of memory writing get response\r\n"},
      {MetaGet, "", "CLIENT_ERROR bad command line format\r\n"},
      {MetaGet, "", "CLIENT_ERROR duplicate flag\r\n"},
      {MetaSet, "", "STORED\r\n"},
      {MetaSet, "", "EN O77\r\n"},
      {MetaSet, "", "HD W O77\r\n"},
      {MetaSet, "", "CLIENT_ERROR invalid flag\r\n"},  // the data would run as commands
      {MetaSet, "", "CLIENT_ERROR bad data chunk\r\n"},
      {MetaDelete, "", "NS O77\r\n"},
      {MetaDelete, "c", "HD c5 O77\r\n"},
      {MetaDelete, "", "NF  O77\r\n"},
      {MetaArithmetic, "v", "VA 3 O77\r\nabc\r\n"},
      {MetaArithmetic, "v", "VA 2 O77\r\n-1\r\n"},
      {MetaArithmetic, "", "EN O77\r\n"},
      {MetaDebug, "", "ME other exp=-1\r\n"},
      {MetaDebug, "", "ME secre exp=-1\r\n"},
      {MetaDebug, "", "ME secret\r\n"},
      {MetaDebug, "", "ME secret exp\x01\r\n"},
      {MetaDebug, "", "ERROR\r\n"},
  };
  for (const Poison& row : rows) {
    CAPTURE(protocol::row(row.command).name);
    CAPTURE(row.flags);
    CAPTURE(row.reply);
    const Fed fed = feed(row.reply, for_meta(row.command, row.flags));
    CHECK(fed.came == ToPoison);
    CHECK(fed.out.empty());
  }
}

TEST_CASE("expect() notes what the client of a meta request is told") {
  Request request;
  request.caller = {MetaGet, Dialect::Meta, true, 0, 0};
  request.keys = {"a"};
  request.meta_flags = {{'s', ""}, {'k', ""}, {'O', "x1"}, {'T', "30"}, {'b', ""}, {'t', ""}};
  request.meta_letters = FlagSet{"skOTbt"};
  request.meta_key_sent = "YQ==";
  Expected expected = for_meta(MetaGet, "c f O9");
  expect(request, 7, {1, 6, 45}, expected);
  CHECK(expected.caller.quiet);
  CHECK(expected.sequence == 7);
  CHECK(expected.meta_told == " s kYQ== b Ox1 t");
  CHECK(expected.meta_returns.contains('s'));
  CHECK(expected.meta_returns.contains('t'));
  CHECK_FALSE(expected.meta_returns.intersects(FlagSet{"kOTbcf"}));
  expected = for_meta(MetaDelete, "T5");
  CHECK(expected.meta_told.empty());
  CHECK(expected.meta_returns.empty());
}

TEST_CASE("q silences what is nominal and nothing else") {
  struct Quiet {
    Command command;
    std::string_view flags, reply;
    bool silent;
  };
  const Quiet rows[] = {
      {MetaGet, "q", "EN O77\r\n", true},
      {MetaGet, "q", "HD O77\r\n", false},
      {MetaGet, "q v", "VA 1 O77\r\na\r\n", false},
      {MetaGet, "q", "SERVER_ERROR out of memory\r\n", false},
      {MetaSet, "q", "HD O77\r\n", true},
      {MetaSet, "q", "NS O77\r\n", false},
      {MetaSet, "q", "EX O77\r\n", false},
      {MetaSet, "q", "NF O77\r\n", false},
      {MetaSet, "q", "SERVER_ERROR object too large for cache\r\n", false},
      {MetaDelete, "q", "HD O77\r\n", true},
      {MetaDelete, "q", "NF O77\r\n", false},
      {MetaDelete, "q", "EX O77\r\n", false},
      {MetaArithmetic, "q", "HD O77\r\n", true},
      {MetaArithmetic, "q v", "VA 1 O77\r\n1\r\n", true},
      {MetaArithmetic, "q", "NF O77\r\n", false},
      {MetaArithmetic, "q", "NS O77\r\n", false},
  };
  for (const Quiet& row : rows) {
    CAPTURE(protocol::row(row.command).name);
    CAPTURE(row.reply);
    const Fed fed = feed(row.reply, for_meta(row.command, row.flags, true));
    CHECK(fed.came == ToEnd);
    CHECK(fed.consumed == row.reply.size());
    CHECK(fed.out.empty() == row.silent);
  }
}

TEST_CASE("older versions are taken for what they are") {
  struct Old {
    Command command;
    protocol::Version backend;
    std::string_view reply, client;
  };
  const Old rows[] = {
      {MetaGet, {1, 6, 17}, "EN\r\n", "EN ksecret O1\r\n"},  // no opaque on a miss before 1.6.18
      {MetaGet, {1, 6, 17}, "EN O77\r\n", "EN ksecret O1\r\n"},
      {MetaGet, {1, 6, 17}, "EN O76\r\n", ""},
      {MetaGet, {1, 6, 17}, "HD\r\n", ""},
      {MetaGet, kDebian, "EN\r\n", ""},
      {MetaDelete, {1, 6, 12}, "NF  O77\r\n", "NF ksecret O1\r\n"},
      {MetaDelete, {1, 6, 12}, "NF O77 \r\n", "NF ksecret O1\r\n"},
      {MetaDelete, {1, 6, 12}, "NF \r\n", ""},
      {MetaDelete, {1, 6, 12}, "HD  O77\r\n", ""},
      {MetaDelete, {1, 6, 13}, "NF O77 \r\n", ""},
  };
  for (const Old& row : rows) {
    CAPTURE(row.reply);
    Expected expected = for_meta(row.command, "k O1");
    expected.backend = row.backend;
    const Fed fed = feed(row.reply, expected);
    CHECK(fed.came == (row.client.empty() ? ToPoison : ToEnd));
    CHECK(fed.out == row.client);
  }
}

}  // namespace
}  // namespace mcgate::protocol
