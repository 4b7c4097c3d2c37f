#include "text_parsing.hpp"

using namespace mcgate::protocol;

TEST_CASE("admin commands and stats, and their canonical form") {
  struct Row {
    std::string input;
    Command command;
    std::string canonical;
  };
  for (const Row& row : {
           Row{"stats\r\n", Command::Stats, "stats\r\n"},
           Row{"stats  items \r\n", Command::StatsItems, "stats items\r\n"},
           Row{"stats slabs\r\n", Command::StatsSlabs, "stats slabs\r\n"},
           Row{"stats sizes\r\n", Command::StatsSizes, "stats sizes\r\n"},
           Row{"stats conns\r\n", Command::StatsConns, "stats conns\r\n"},
           Row{"stats settings\r\n", Command::StatsSettings, "stats settings\r\n"},
           Row{"stats reset\r\n", Command::StatsReset, "stats reset\r\n"},
           Row{"stats detail on\r\n", Command::StatsDetail, "stats detail on\r\n"},
           Row{"stats detail dump\r\n", Command::StatsDetail, "stats detail dump\r\n"},
           Row{"stats cachedump 01 00\r\n", Command::StatsCachedump, "stats cachedump 1 0\r\n"},
           Row{"stats extstore\r\n", Command::StatsExtstore, "stats extstore\r\n"},
           Row{"flush_all\r\n", Command::FlushAll, "flush_all\r\n"},
           Row{"flush_all 010\r\n", Command::FlushAll, "flush_all 10\r\n"},
           Row{"flush_all -1\r\n", Command::FlushAll, "flush_all -1\r\n"},
           Row{"verbosity 2\r\n", Command::Verbosity, "verbosity 2\r\n"},
           Row{"cache_memlimit 64\r\n", Command::CacheMemlimit, "cache_memlimit 64\r\n"},
           Row{"slabs reassign -1 5\r\n", Command::Slabs, "slabs reassign -1 5\r\n"},
           Row{"slabs automove 2\r\n", Command::Slabs, "slabs automove 2\r\n"},
           Row{"slabs automove ratio 0.8\r\n", Command::Slabs, "slabs automove ratio 0.8\r\n"},
           Row{"lru tune 10 25 0.1 2.0\r\n", Command::Lru, "lru tune 10 25 0.1 2.0\r\n"},
           Row{"lru mode segmented\r\n", Command::Lru, "lru mode segmented\r\n"},
           Row{"lru temp_ttl -1\r\n", Command::Lru, "lru temp_ttl -1\r\n"},
           Row{"lru_crawler enable\r\n", Command::LruCrawler, "lru_crawler enable\r\n"},
           Row{"lru_crawler disable\r\n", Command::LruCrawler, "lru_crawler disable\r\n"},
           Row{"lru_crawler sleep 100\r\n", Command::LruCrawler, "lru_crawler sleep 100\r\n"},
           Row{"lru_crawler tocrawl 5\r\n", Command::LruCrawler, "lru_crawler tocrawl 5\r\n"},
           Row{"lru_crawler crawl 1,3,10\r\n", Command::LruCrawler, "lru_crawler crawl 1,3,10\r\n"},
           Row{"lru_crawler metadump all\r\n", Command::LruCrawlerDump, "lru_crawler metadump all\r\n"},
           Row{"lru_crawler mgdump hash\r\n", Command::LruCrawlerDump, "lru_crawler mgdump hash\r\n"},
           Row{"extstore item_age 60\r\n", Command::Extstore, "extstore item_age 60\r\n"},
           Row{"extstore max_frag 0.5\r\n", Command::Extstore, "extstore max_frag 0.5\r\n"},
           Row{"extstore free_memchunks 1 2\r\n", Command::Extstore, "extstore free_memchunks 1 2\r\n"},
           Row{"watch\r\n", Command::Watch, "watch\r\n"},
           Row{"watch fetchers  mutations\r\n", Command::Watch, "watch fetchers mutations\r\n"},
           Row{"shutdown\r\n", Command::Shutdown, "shutdown\r\n"},
           Row{"shutdown graceful\r\n", Command::Shutdown, "shutdown graceful\r\n"},
           Row{"refresh_certs\r\n", Command::RefreshCerts, "refresh_certs\r\n"},
       }) {
    CAPTURE(row.input);
    const Outcome outcome = parse_at_every_split(row.input);
    CHECK(outcome.command == row.command);
    CHECK(outcome.needs == row.command);
    CHECK(outcome.canonical == row.canonical);
    CHECK_FALSE(outcome.quiet);
  }
}

TEST_CASE("admin commands and stats that are refused") {
  constexpr std::string_view kUsage = "CLIENT_ERROR usage: stats detail on|off|dump";
  constexpr std::string_view kFormat = "CLIENT_ERROR bad command line format";
  struct Row {
    std::string input;
    std::string_view reply;  // nothing: silent
  };
  for (const Row& row : {
           // Prefixes, which new memcacheds take for the whole.
           Row{"stats r\r\n", "ERROR"},
           Row{"stats resetX\r\n", "ERROR"},
           Row{"stats RESET\r\n", "ERROR"},
           Row{"lru_crawler m all\r\n", "ERROR"},
           Row{"stats malloc\r\n", "ERROR"},
           Row{"stats proxy\r\n", "ERROR"},
           Row{"stats noreply\r\n", "ERROR"},
           Row{"stats items 1\r\n", "ERROR"},
           Row{"stats detail\r\n", kUsage},
           Row{"stats detail o\r\n", kUsage},
           Row{"stats detail on off\r\n", kUsage},
           Row{"stats cachedump\r\n", "CLIENT_ERROR bad command line"},
           Row{"stats cachedump 1\r\n", "CLIENT_ERROR bad command line"},
           Row{"stats cachedump 1 2 3\r\n", "ERROR"},
           Row{"stats cachedump a b\r\n", kFormat},
           Row{"flush_all x\r\n", "CLIENT_ERROR invalid exptime argument"},
           Row{"flush_all x noreply\r\n", ""},
           Row{"flush_all 1 2\r\n", kFormat},
           Row{"flush_all 1 2 3\r\n", "ERROR"},
           Row{"flush_all 4294967296\r\n", "CLIENT_ERROR invalid exptime argument"},
           Row{"flush_allx\r\n", "ERROR"},
           Row{"verbosity\r\n", "ERROR"},
           Row{"verbosity noreply\r\n", ""},
           Row{"verbosity x\r\n", kFormat},
           Row{"verbosity 1 2\r\n", kFormat},
           Row{"verbosity 1 2 noreply\r\n", "ERROR"},
           Row{"cache_memlimit\r\n", "ERROR"},
           Row{"cache_memlimit x\r\n", "ERROR"},
           Row{"cache_memlimit 4294967360\r\n", "ERROR"},
           Row{"slabs\r\n", "ERROR"},
           Row{"slabs reassign 1\r\n", "ERROR"},
           Row{"slabs reassign 1 x\r\n", kFormat},
           Row{"slabs reassign 1 2 noreply\r\n", "ERROR"},
           Row{"slabs automove 3\r\n", "ERROR"},
           Row{"slabs automove ratio -1\r\n", "ERROR"},
           Row{"slabs automove ratio nan\r\n", "ERROR"},
           Row{"slabs automove ratio 1.\r\n", "ERROR"},
           Row{"slabs automove ratio 0x1p3\r\n", "ERROR"},
           Row{"lru\r\n", "ERROR"},
           Row{"lru tune 1 2 3\r\n", "ERROR"},
           Row{"lru mode fl\r\n", "ERROR"},
           Row{"lru mode x noreply\r\n", ""},
           Row{"lru_crawler\r\n", "ERROR"},
           Row{"lru_crawler enable noreply\r\n", "ERROR"},
           Row{"lru_crawler sleep x\r\n", kFormat},
           Row{"lru_crawler crawl 1,,2\r\n", "BADCLASS invalid class id"},
           Row{"lru_crawler crawl 1,\r\n", "BADCLASS invalid class id"},
           Row{"lru_crawler crawl ,\r\n", "BADCLASS invalid class id"},
           Row{"lru_crawler crawl hash\r\n", "BADCLASS invalid class id"},
           Row{"lru_crawler metadump\r\n", "ERROR"},
           Row{"lru_crawler metadump al\r\n", "BADCLASS invalid class id"},
           Row{"extstore\r\n", "ERROR"},
           Row{"extstore item_age\r\n", "ERROR"},
           Row{"extstore item_age x\r\n", "ERROR"},
           Row{"extstore unknown 1\r\n", "ERROR"},
           Row{"watch everything\r\n", "ERROR"},
           Row{"watch fetchers noreply\r\n", "ERROR"},
           Row{"shutdown now\r\n", "CLIENT_ERROR invalid shutdown mode"},
           Row{"shutdown grace\r\n", "CLIENT_ERROR invalid shutdown mode"},
           Row{"shutdown graceful graceful\r\n", "CLIENT_ERROR invalid shutdown mode"},
           Row{"refresh_certs now\r\n", "ERROR"},
           Row{"stats a b c d e f g h i j k l m n o p q r s t\r\n", "ERROR"},
           Row{std::string{"stats reset\0\r\n", 14}, "ERROR"},
           Row{"stats reset\r\r\n", "ERROR"},
       }) {
    CAPTURE(row.input);
    const Outcome outcome = parse_at_every_split(row.input);
    CHECK(outcome.broken);
    CHECK(outcome.reply == (row.reply.empty() ? "" : std::string{row.reply} + "\r\n"));
    CHECK_FALSE(outcome.close);
    CHECK(outcome.swallow == 0);
  }
}

TEST_CASE("a list of slab classes has at most as many as there are") {
  std::string list = "1";
  for (int i = 1; i < 64; ++i) list += ",1";
  CHECK_FALSE(parse_at_every_split("lru_crawler crawl " + list + "\r\n").broken);
  CHECK(parse_at_every_split("lru_crawler crawl " + list + ",1\r\n").broken);
}
