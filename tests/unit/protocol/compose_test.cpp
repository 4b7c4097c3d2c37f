#include "text_parsing.hpp"

using namespace mcgate::protocol;

namespace {

// Whether a memcached of that version is sent the request.
bool supported_by(std::string_view input, Version backend) {
  Request request;
  REQUIRE(std::holds_alternative<Parsed>(parse_text(input, {}, request)));
  return supported(request, backend);
}

}  // namespace

TEST_CASE("a further get goes onto the line that ends the output") {
  std::string out = "set a 0 0 1\r\nx\r\n";
  const ParseLimits limits;
  Request request;
  REQUIRE(std::holds_alternative<Parsed>(parse_text("get a\r\n", limits, request)));
  compose(request, 1, out);
  REQUIRE(std::holds_alternative<Parsed>(parse_text("get bb\r\n", limits, request)));
  compose_onto(request, out);
  CHECK(out == "set a 0 0 1\r\nx\r\nget a bb\r\n");
}

TEST_CASE("parse, compose, parse: the same request, and composed the same again") {
  for (const std::string_view row : {"get a b c\r\n",
                                     "gets a\n",
                                     "gat 03 a b\r\n",
                                     "gats -5 a\r\n",
                                     "set k 1 2 3 noreply\r\nabc\r\n",
                                     "add k 1 2 3\r\nabc\r\n",
                                     "replace k 1 2 3\nabc\r\n",
                                     "append k 1 2 3\r\nabc\r\n",
                                     "prepend  k 1 2 3\r\nabc\r\n",
                                     "cas k 1 2 3 4 noreply\r\nabc\r\n",
                                     "incr k 5 noreply\r\n",
                                     "decr k 5\r\n",
                                     "touch k -1\r\n",
                                     "delete k 0 noreply\r\n",
                                     "mg c2VjcmV0 b k q Ox v T5\r\n",
                                     "ms k 2 ME q\r\nhi\r\n",
                                     "md k q I T5\r\n",
                                     "ma k M+ D05\r\n",
                                     "mn\r\n",
                                     "me k\r\n",
                                     "stats\r\n",
                                     "stats cachedump 01 2\r\n",
                                     "flush_all 05 noreply\r\n",
                                     "verbosity 1\r\n",
                                     "slabs reassign 01 -1\r\n",
                                     "lru tune 1 2 3.5 4\r\n",
                                     "lru_crawler metadump 1,2\r\n",
                                     "watch evictions\r\n",
                                     "shutdown graceful\r\n",
                                     "version foo\r\n",
                                     "quit\r\n"}) {
    CAPTURE(row);
    const Outcome first = parse_at_every_split(row);
    REQUIRE_FALSE(first.broken);
    Outcome again = parse_at_every_split(first.canonical);
    CHECK_FALSE(again.quiet);
    CHECK(again.consumed == first.canonical.size());
    again.quiet = first.quiet;
    again.consumed = first.consumed;
    CHECK(again == first);
  }
}

TEST_CASE("compose appends, and writes the sequence it is given") {
  Request request;
  REQUIRE(std::holds_alternative<Parsed>(parse_text("mg k Oclient\r\n", {}, request)));
  std::string out = "get a\r\n";
  compose(request, 4294967295U, out);
  CHECK(out == "get a\r\nmg k O4294967295\r\n");
}

TEST_CASE("a value of flags which a backend's version lacks, or means otherwise, is not sent to it") {
  struct Row {
    std::string_view input;
    std::optional<Version> since;  // none: any
  };
  for (const Row& row : {
           Row{"get k\r\n", Version{1, 4, 0}},
           Row{"set k 0 0 1\r\nx\r\n", Version{1, 4, 0}},
           Row{"touch k 1\r\n", Version{1, 4, 8}},
           Row{"gat 1 k\r\n", Version{1, 5, 3}},
           Row{"mg k\r\n", Version{1, 6, 10}},
           Row{"mg k v T1 N1 R1 q k Ox Pp\r\n", Version{1, 6, 10}},
           Row{"mg k C1\r\n", Version{1, 6, 40}},
           Row{"mg k E1\r\n", Version{1, 6, 27}},
           Row{"ms k 1 C1 I\r\nx\r\n", Version{1, 6, 10}},
           Row{"ms k 1 s\r\nx\r\n", Version{1, 6, 20}},
           Row{"ms k 1 MA N1\r\nx\r\n", Version{1, 6, 20}},
           Row{"ms k 1 E1\r\nx\r\n", Version{1, 6, 27}},
           Row{"md k x\r\n", Version{1, 6, 27}},
           Row{"ma k E1 N1\r\n", Version{1, 6, 27}},
           Row{"me k\r\n", Version{1, 6, 10}},
           Row{"lru_crawler enable\r\n", Version{1, 4, 18}},
           // Answered by mcgate.
           Row{"version\r\n", std::nullopt},
           Row{"mn\r\n", std::nullopt},
           Row{"quit\r\n", std::nullopt},
       }) {
    CAPTURE(row.input);
    CHECK(supported_by(row.input, {1, 6, 45}));
    CHECK(supported_by(row.input, {2, 0, 0}));
    CHECK(supported_by(row.input, {1, 3, 9}) == !row.since.has_value());
    if (!row.since) continue;
    const Version since = *row.since;
    CHECK(supported_by(row.input, since));
    const Version before = since.patch > 0 ? Version{since.major, since.minor, since.patch - 1}
                                           : Version{since.major, since.minor - 1, 99};
    CHECK_FALSE(supported_by(row.input, before));
  }
}
