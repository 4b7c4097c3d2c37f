#include "text_parsing.hpp"

using namespace mcgate::protocol;

namespace {

const std::string kLongest(250, 'k');
const std::string kTooLongKey(251, 'k');

}  // namespace

TEST_CASE("meta requests, their canonical form and the rights they need") {
  struct Row {
    std::string input, canonical;
    CommandSet needs;
    bool quiet = false;
  };
  // Beside their own, the right to what they do.
  const CommandSet get = CommandSet{Command::MetaGet} | Command::Get;
  const CommandSet ms = Command::MetaSet, set = ms | Command::Set;
  const CommandSet del = CommandSet{Command::MetaDelete} | Command::Delete;
  const CommandSet ma = Command::MetaArithmetic, incr = ma | Command::Incr, decr = ma | Command::Decr;
  for (const Row& row : {
           Row{"mg k\r\n", "mg k O7\r\n", get},
           Row{"mg k v\n", "mg k v O7\r\n", get},
           Row{"mg  k  s v  t c f h l u \r\n", "mg k s v t c f h l u O7\r\n", get},
           Row{"mg k q k Oabc v\r\n", "mg k v O7\r\n", get, true},
           Row{"mg k Pproxy Lroute v\r\n", "mg k v O7\r\n", get},
           Row{"mg c2VjcmV0 b k v\r\n", "mg secret v O7\r\n", get},
           Row{"mg c2VjcmV0 v\r\n", "mg c2VjcmV0 v O7\r\n", get},
           Row{"mg " + kLongest + "\r\n", "mg " + kLongest + " O7\r\n", get},
           Row{"mg k T30\r\n", "mg k T30 O7\r\n", get | Command::Touch},
           Row{"mg k T-1\r\n", "mg k T-1 O7\r\n", get | Command::Touch},
           Row{"mg k T0030\r\n", "mg k T30 O7\r\n", get | Command::Touch},
           Row{"mg k N30\r\n", "mg k N30 O7\r\n", get | Command::Set},
           Row{"mg k R30\r\n", "mg k R30 O7\r\n", get | Command::Set},
           Row{"mg k E9\r\n", "mg k E9 O7\r\n", get | Command::Set},
           Row{"mg k N1 T2 R3\r\n", "mg k N1 T2 R3 O7\r\n", get | Command::Touch | Command::Set},
           Row{"mg k C18446744073709551615\r\n", "mg k C18446744073709551615 O7\r\n", get},
           Row{"ms k 2\r\nhi\r\n", "ms k 2 O7\r\nhi\r\n", set},
           Row{"ms k 2 \r\nhi\r\n", "ms k 2 O7\r\nhi\r\n", set},
           Row{"ms k 0\r\n\r\n", "ms k 0 O7\r\n\r\n", set},
           Row{"ms k 02 c F007 T60 MS I C5 s N6 E7\r\nhi\r\n", "ms k 2 c F7 T60 MS I C5 s N6 E7 O7\r\nhi\r\n",
               set | Command::Cas},
           Row{"ms k 2 q k O1\r\nhi\r\n", "ms k 2 O7\r\nhi\r\n", set, true},
           Row{"ms c2VjcmV0 2 b ME\r\nhi\r\n", "ms secret 2 ME O7\r\nhi\r\n", ms | Command::Add},
           Row{"ms k 2 MA\r\nhi\r\n", "ms k 2 MA O7\r\nhi\r\n", ms | Command::Append},
           Row{"ms k 2 MP\r\nhi\r\n", "ms k 2 MP O7\r\nhi\r\n", ms | Command::Prepend},
           Row{"ms k 2 MR\r\nhi\r\n", "ms k 2 MR O7\r\nhi\r\n", ms | Command::Replace},
           Row{"md k\r\n", "md k O7\r\n", del},
           Row{"md k q C5\r\n", "md k C5 O7\r\n", del, true},
           Row{"md k I T30\r\n", "md k I T30 O7\r\n", del | Command::Set | Command::Touch},
           Row{"md k x\r\n", "md k x O7\r\n", del | Command::Set},
           Row{"md k E5\r\n", "md k E5 O7\r\n", del | Command::Set},
           Row{"ma k\r\n", "ma k O7\r\n", incr},
           Row{"ma k N30 J5 D2 MD v t c\r\n", "ma k N30 J5 D2 MD v t c O7\r\n", decr | Command::Set},
           Row{"ma k M+ T9\r\n", "ma k MI T9 O7\r\n", incr | Command::Touch},
           Row{"ma k M-\r\n", "ma k MD O7\r\n", decr},
           Row{"mn\r\n", "mn\r\n", Command::Noop},
           Row{"me k\r\n", "me k\r\n", Command::MetaDebug},
       }) {
    CAPTURE(row.input);
    const Outcome outcome = parse_at_every_split(row.input);
    CHECK(outcome.canonical == row.canonical);
    CHECK(outcome.needs == row.needs);
    CHECK(outcome.quiet == row.quiet);
    CHECK(outcome.dialect == Dialect::Meta);
    CHECK(outcome.consumed == row.input.size());
  }
}

TEST_CASE("meta lines that are refused, told even where they are quiet") {
  constexpr std::string_view kFormat = "CLIENT_ERROR bad command line format";
  constexpr std::string_view kToken = "CLIENT_ERROR bad token in command line format";
  constexpr std::string_view kFlag = "CLIENT_ERROR invalid flag";
  constexpr std::string_view kFlags = "CLIENT_ERROR invalid or duplicate flag";
  struct Row {
    std::string input;
    std::string_view reply;
  };
  for (const Row& row : {
           Row{"mg\r\n", "ERROR"},
           Row{"md\r\n", "ERROR"},
           Row{"ma\r\n", "ERROR"},
           Row{"me\r\n", kFormat},
           Row{" mg k\r\n", "ERROR"},
           Row{"mg " + kTooLongKey + "\r\n", kFormat},
           Row{"mg a\tb\r\n", kFormat},
           Row{std::string{"mg a\0b\r\n", 8}, kFormat},
           Row{"mg k v v\r\n", "CLIENT_ERROR duplicate flag"},
           Row{"mg k q v v\r\n", "CLIENT_ERROR duplicate flag"},
           Row{"mg k T1 T2\r\n", "CLIENT_ERROR duplicate flag"},
           Row{"mg k W\r\n", kFlag},
           Row{"mg k z\r\n", kFlag},
           Row{"mg k \xff\r\n", kFlag},
           Row{"mg k \x01\r\n", kFlag},
           Row{"mg k F1\r\n", kFlag},
           Row{"mg k I\r\n", kFlag},
           Row{"md k v\r\n", kFlags},
           Row{"md k N1\r\n", kFlags},
           Row{"ma k F1\r\n", kFlags},
           Row{"ma k I\r\n", kFlags},
           Row{"mg k sv\r\n", kToken},
           Row{"mg k q1\r\n", kToken},
           Row{"mg k T\r\n", kToken},
           Row{"mg k T1x\r\n", kToken},
           Row{"mg k T+1\r\n", kToken},
           Row{"mg k T-01\r\n", kToken},
           Row{"mg k T2147483648\r\n", kToken},
           Row{"mg k N\r\n", kToken},
           Row{"mg k C-1\r\n", kToken},
           Row{"ma k D18446744073709551616\r\n", kFlags},
           Row{"mg k O\r\n", kToken},
           Row{"mg k Oa\tb\r\n", kToken},
           Row{"mg k O\xff\r\n", kToken},
           Row{"mg k O" + std::string(32, 'o') + "\r\n", "CLIENT_ERROR opaque token too long"},
           Row{"ma k M\r\n", kFlags},
           Row{"ma k MII\r\n", kFlags},
           Row{"md k C1 C1\r\n", kFlags},
           Row{"md k b\r\n", kFlags},
           Row{"ma k MS\r\n", "CLIENT_ERROR invalid mode for ma M token"},
           Row{"me k b\r\n", kFormat},
           Row{"me a\x01\r\n", kFormat},
           Row{"mn q\r\n", kFormat},
           Row{"mg k b\r\n", "CLIENT_ERROR error decoding key"},
           // base64 that memcached takes for `secret`, or for a part of it.
           Row{"mg c2Vj*cmV0 b\r\n", "CLIENT_ERROR error decoding key"},
           Row{"mg c2VjcmU= b\r\n", ""},
           Row{"mg c2VjcmV= b\r\n", "CLIENT_ERROR error decoding key"},
           Row{"mg c2VjcmU=cmV0 b\r\n", "CLIENT_ERROR error decoding key"},
           // Decoded, a key is held to the rule of every key.
           Row{"mg YSBi b\r\n", kFormat},
           Row{"mg YQ0K b\r\n", kFormat},
           Row{"mg AAAA b\r\n", kFormat},
       }) {
    CAPTURE(row.input);
    const Outcome outcome = parse_at_every_split(row.input);
    CHECK(outcome.broken == !row.reply.empty());
    CHECK(outcome.reply == (row.reply.empty() ? "" : std::string{row.reply} + "\r\n"));
    CHECK_FALSE(outcome.close);
    CHECK(outcome.swallow == 0);
  }
  CHECK_FALSE(parse_at_every_split("mg k O" + std::string(31, 'o') + "\r\n").broken);
}

TEST_CASE("ms lines that are refused: the data never becomes a command") {
  struct Row {
    std::string input;
    std::string_view reply;
    std::size_t swallow = 0;
    bool close = false;
  };
  for (const Row& row : {
           Row{"ms k 5 z\r\n", "CLIENT_ERROR invalid flag", 7},
           Row{"ms k 5 q z\r\n", "CLIENT_ERROR invalid flag", 7},
           Row{"ms k 5 S5\r\n", "CLIENT_ERROR invalid flag", 7},
           Row{"ms k 5 c c\r\n", "CLIENT_ERROR duplicate flag", 7},
           Row{"ms k 5 F4294967296\r\n", "CLIENT_ERROR bad token in command line format", 7},
           Row{"ms k 5 F-1\r\n", "CLIENT_ERROR bad token in command line format", 7},
           Row{"ms k 5 MX\r\n", "CLIENT_ERROR invalid mode for ms M token", 7},
           Row{"ms k 5 MI\r\n", "CLIENT_ERROR invalid mode for ms M token", 7},
           Row{"ms k 5 b\r\n", "CLIENT_ERROR error decoding key", 7},
           Row{"ms " + kTooLongKey + " 5\r\n", "CLIENT_ERROR bad command line format", 7},
           Row{" ms k 5\r\n", "ERROR", 7},
           Row{"ms k 5 a b c d e f g h i j k l m n o p q\r\n", "CLIENT_ERROR options flags too long", 7},
           Row{"ms k 5 M\r\n", "CLIENT_ERROR incorrect length for M token", 7},
           Row{"ms k 1048577 q\r\n", "SERVER_ERROR object too large for cache", 1048579},
           Row{"ms k 67108863\r\n", "SERVER_ERROR object too large for cache", 0, true},
           Row{"ms k 18446744073709551615\r\n", "SERVER_ERROR object too large for cache", 0, true},
           Row{"ms\r\n", "ERROR", 0, true},
           Row{"ms k\r\n", "CLIENT_ERROR bad command line format", 0, true},
           Row{"ms k S5\r\n", "CLIENT_ERROR bad command line format", 0, true},
           Row{"ms k -1\r\n", "CLIENT_ERROR bad command line format", 0, true},
           Row{"ms k 5x\r\n", "CLIENT_ERROR bad command line format", 0, true},
           Row{"ms a b 5\r\n", "CLIENT_ERROR bad command line format", 0, true},
           Row{"ms a 1 5\r\n", "CLIENT_ERROR invalid flag", 0, true},
       }) {
    CAPTURE(row.input);
    const Outcome outcome = parse_at_every_split(row.input);
    CHECK(outcome.broken);
    CHECK(outcome.reply == std::string{row.reply} + "\r\n");
    CHECK(outcome.swallow == row.swallow);
    CHECK(outcome.close == row.close);
  }
  const Outcome outcome = parse_at_every_split("ms k 2 q\r\nhiXX");
  CHECK(outcome.reply == "CLIENT_ERROR bad data chunk\r\n");
  CHECK(outcome.consumed == 14);
}

TEST_CASE("at most 19 tokens") {
  const std::string seventeen = " s v t c f h l u k q b O1 P1 L1 N1 T1 R1";
  CHECK_FALSE(parse_at_every_split("mg a2V5" + seventeen + "\r\n").broken);
  CHECK(parse_at_every_split("mg a2V5" + seventeen + " E1\r\n").reply ==
        "CLIENT_ERROR options flags are too long\r\n");
}

TEST_CASE("every letter as a flag of each command: taken where the reference has it, else refused") {
  struct Row {
    std::string_view command, flags;
  };
  for (const Row& row : {Row{"mg", "bkOqstcfhlvuNTRCEPL"}, Row{"ms", "bkOqcsTNCEIFMPL"},
                         Row{"md", "bkOqTCEIxPL"}, Row{"ma", "bkOqtcvNTCEMJDPL"}}) {
    for (int byte = 0x21; byte < 0x7f; ++byte) {
      const char letter = static_cast<char>(byte);
      if (letter >= '0' && letter <= '9') continue;
      CAPTURE(row.command);
      CAPTURE(letter);
      const bool mode = letter == 'M';
      const bool argument = std::string_view{"ONTRCEPLFJD"}.find(letter) != std::string_view::npos;
      const std::string tail =
          mode ? (row.command == "ms" ? "MS" : "MI") : std::string{letter} + (argument ? "1" : "");
      const bool set = row.command == "ms";
      const std::string line =
          std::string{row.command} + " a2V5 " + (set ? "1 " : "") + tail + "\r\n" + (set ? "x\r\n" : "");
      const bool taken = row.flags.find(letter) != std::string_view::npos;
      CHECK(parse_at_every_split(line).broken == !taken);
    }
  }
}

TEST_CASE("a key sent as base64 is the same key, and its text is kept for the reply") {
  Request request;
  const std::string input = "mg c2VjcmV0 b k v\r\n";
  REQUIRE(std::holds_alternative<Parsed>(parse_text(input, {}, request)));
  REQUIRE(request.keys.size() == 1);
  CHECK(request.keys[0] == "secret");
  CHECK(request.meta_key_sent == "c2VjcmV0");
  REQUIRE(request.meta_flags.size() == 3);
  CHECK(request.meta_flags[0].letter == 'b');
  CHECK(request.meta_flags[2].letter == 'v');
  // Filled again, nothing of the last request is left.
  REQUIRE(std::holds_alternative<Parsed>(parse_text("get a\r\n", {}, request)));
  CHECK(request.meta_flags.empty());
  CHECK(request.meta_key_sent.empty());
  CHECK(request.keys == std::vector<std::string_view>{"a"});
  CHECK(request.needs == Command::Get);
}
