#include "protocol/command.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace mcgate::protocol;

TEST_CASE("every command has its own row and name") {
  CHECK(all_commands().size() == kCommandCount);
  for (std::size_t i = 0; i < kCommandCount; ++i) {
    const auto command = static_cast<Command>(i);
    CAPTURE(i);
    CHECK(row(command).command == command);
    CHECK(command_named(row(command).name) == command);
    CHECK(commands_of(row(command).category).contains(command));
    CHECK((row(command).since_text || row(command).since_binary));
  }
}

TEST_CASE("names are matched exactly") {
  struct Row {
    std::string_view name;
    std::optional<Command> command;
  };
  for (const Row& each :
       {Row{"get", Command::Get}, Row{"mg", Command::MetaGet}, Row{"stats items", Command::StatsItems},
        Row{"lru_crawler metadump", Command::LruCrawlerDump}, Row{"flush_all", Command::FlushAll},
        Row{"", std::nullopt}, Row{"GET", std::nullopt}, Row{"ge", std::nullopt},
        Row{"stats  items", std::nullopt}, Row{"read", std::nullopt},
        Row{std::string_view{"get\0", 4}, std::nullopt}}) {
    CAPTURE(each.name);
    CHECK(command_named(each.name) == each.command);
  }
}

TEST_CASE("categories are named, but for what every identity has") {
  for (const Category category : {Category::Read, Category::Write, Category::Touch, Category::Delete,
                                  Category::Stats, Category::Admin}) {
    CAPTURE(name(category));
    CHECK(category_named(name(category)) == category);
  }
  CHECK(category_named("session") == std::nullopt);
  CHECK(category_named("*") == std::nullopt);
  CHECK(category_named("Read") == std::nullopt);
}

TEST_CASE("the star is everything but admin, which must be named") {
  for (const CommandRow& each : all_commands()) {
    CAPTURE(each.name);
    CHECK(commands_of_star().contains(each.command) == (each.category != Category::Admin));
  }
}

TEST_CASE("what changes the whole cache or shows other users' keys is admin") {
  for (const Command command :
       {Command::FlushAll,   Command::CacheMemlimit,  Command::Slabs,          Command::Lru,
        Command::LruCrawler, Command::LruCrawlerDump, Command::Extstore,       Command::MetaDebug,
        Command::Watch,      Command::Shutdown,       Command::RefreshCerts,   Command::StatsItems,
        Command::StatsSlabs, Command::StatsSizes,     Command::StatsConns,     Command::StatsSettings,
        Command::StatsReset, Command::StatsDetail,    Command::StatsCachedump, Command::StatsExtstore,
        Command::Verbosity}) {
    CAPTURE(row(command).name);
    CHECK(row(command).category == Category::Admin);
  }
}

TEST_CASE("a set of commands") {
  const CommandSet two = CommandSet{Command::Get} | Command::SaslStep;
  CHECK(two.contains(Command::Get));
  CHECK(two.contains(CommandSet{}));
  CHECK_FALSE(two.contains(CommandSet{Command::Get} | Command::Set));
  CHECK(two.intersects(CommandSet{Command::Get} | Command::Set));
  CHECK(two.without(Command::Get) == CommandSet{Command::SaslStep});
  CHECK((two & CommandSet{Command::Set}).empty());
}
