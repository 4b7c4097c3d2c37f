#include "conf/edit.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "conf/config.hpp"

namespace mcgate::conf {
namespace {

const std::string kHead =
    "[[listener]]\naddress = \"127.0.0.1:11211\"\n[upstream]\naddress = \"127.0.0.1:11212\"\n";
const std::vector<std::string> kNew{"SCRAM-SHA-256$new", "SCRAM-SHA-512$new"};

std::vector<std::string> secrets_of(const std::string& text, std::string_view user) {
  const auto config = parse(text, "test");
  REQUIRE_MESSAGE(config.has_value(),
                  (config ? std::string{} : format(config.error().front()) + "\n" + text));
  for (const auto& one : config->users) {
    if (one.name != user) continue;
    std::vector<std::string> secrets;
    for (const auto& secret : one.secrets) secrets.emplace_back(secret.verifier.reveal());
    return secrets;
  }
  FAIL("the user is gone");
  return {};
}

TEST_CASE("edit: a user is put behind what is there, which stays as it is") {
  for (const auto& before : {kHead, kHead + "# a comment at the end, without a newline",
                             kHead + "[role.x]\nallow = []", kHead + "[[user]]\nname = \"old\"\n\n\n"}) {
    CAPTURE(before);
    const auto after = with_user(before, user_block("new", kNew, {}));
    CHECK(after.starts_with(before));
    CHECK(secrets_of(after, "new") == kNew);
  }
  CHECK(with_user("", user_block("u", kNew, {})) == user_block("u", kNew, {}));
}

TEST_CASE("edit: names are quoted") {
  for (const std::string name : {"a\"b", "a\\b", "a]b", "a#b", "\xc3\xa9", "'", "a\\u0041"}) {
    CAPTURE(name);
    CHECK(secrets_of(with_user(kHead, user_block(name, kNew, {})), name) == kNew);
  }
  const std::vector<std::string> roles{"a\"b", "plain"};
  CHECK(user_block("u", {}, roles).ends_with("roles = [\"a\\\"b\", \"plain\"]\n"));
}

struct Row {
  std::string before;  // the user's part, with @ for the array of secrets
  std::string array;
};

TEST_CASE("edit: secrets are replaced, and nothing else") {
  const std::array rows{
      Row{"[[user]]\nname = \"u\"\nsecrets = @\n", "[\"SCRAM-SHA-256$a\"]"},
      Row{"[[user]]\nsecrets = @ # why\nname = \"u\"\nroles = []", "[]"},
      Row{"[[user]]\nname = \"u\" # ]\"'\nsecrets=@\n", "['SCRAM-SHA-256$a', \"SCRAM-SHA-512$]\", ]"},
      Row{"[[user]]\nname = \"u\"\nsecrets = @\n", "[ # ] \" '\n  \"SCRAM-SHA-256$\\\"]\", # \"\n]"},
      Row{"[[user]]\nname = \"u\"\nsecrets = @\n",
          "[\"\"\"SCRAM-SHA-256$]\"\"\", '''SCRAM-SHA-256$'']''''']"},
      Row{"[[user]]\r\nname = \"u\"\r\nsecrets = @\r\n", "[\r\n\"SCRAM-SHA-256$a\"\r\n]"},
      Row{"user = [{ name = \"\xc3\xa9\", secrets = [\"SCRAM-SHA-256$x\"] }, { name = \"u\", secrets = @ "
          "}]\n",
          "[\"SCRAM-SHA-256$a\"]"},
      Row{"[[user]]\nname = \"other\"\nsecrets = [\"SCRAM-SHA-256$a\"]\n[[user]]\n\"name\" = "
          "\"u\"\n'secrets' = @\n"
          "[[user]]\nname = \"last\"\n",
          "[\"SCRAM-SHA-256$a\"]"},
  };
  for (const auto& row : rows) {
    // A top-level `user = [...]` must stand before the first table.
    const bool first = row.before.starts_with("user");
    const auto whole = first ? row.before + kHead : kHead + row.before;
    const auto at = whole.find('@');
    const auto head = whole.substr(0, at), tail = whole.substr(at + 1);
    const auto before = head + row.array + tail;
    CAPTURE(before);
    const auto old = secrets_of(before, "u");

    const auto replaced = with_secrets(before, "u", kNew, false);
    REQUIRE(replaced.has_value());
    CHECK(replaced->starts_with(head));
    CHECK(replaced->ends_with(tail));
    CHECK(secrets_of(*replaced, "u") == kNew);

    const auto kept = with_secrets(before, "u", kNew, true);
    REQUIRE(kept.has_value());
    CHECK(kept->starts_with(head + "["));
    CHECK(kept->ends_with(row.array.substr(1) + tail));
    auto all = kNew;
    all.insert(all.end(), old.begin(), old.end());
    CHECK(secrets_of(*kept, "u") == all);
  }
}

TEST_CASE("edit: some secrets are taken out, and nothing else") {
  const struct {
    std::string before, after;  // the array
    std::vector<std::size_t> numbers;
  } rows[] = {
      {R"(["SCRAM-SHA-256$a", "SCRAM-SHA-256$b"])", R"(["SCRAM-SHA-256$b"])", {0}},
      {R"(["SCRAM-SHA-256$a", "SCRAM-SHA-256$b"])", R"(["SCRAM-SHA-256$a", ])", {1}},
      {R"(["SCRAM-SHA-256$a", "SCRAM-SHA-256$b"])", R"([])", {1, 0}},
      {"[\n  'SCRAM-SHA-256$a', # a ]\n  { verifier = \"SCRAM-SHA-256$b\", comment = \"}]\" } , # b\n]",
       "[\n  'SCRAM-SHA-256$a', # a ]\n  # b\n]",
       {1}},
      {"[ { verifier = \"SCRAM-SHA-256$b\" },\n\"SCRAM-SHA-256$a\",]", "[ \n\"SCRAM-SHA-256$a\",]", {0}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.before);
    const auto start = kHead + "[[user]]\nname = \"v\"\nsecrets = []\n[[user]]\nname = \"u\"\nsecrets = ";
    const auto out = without_secrets(start + row.before + "\n# end\n", "u", row.numbers);
    REQUIRE(out.has_value());
    CHECK(*out == start + row.after + "\n# end\n");
    CHECK(parse(*out, "f").has_value());
  }
  const auto apart = kHead + "[[user]]\nname = \"u\"\n[[user.secrets]]\nverifier = \"SCRAM-SHA-256$a\"\n";
  const std::vector<std::size_t> first{0};
  REQUIRE(parse(apart, "f").has_value());
  CHECK_FALSE(without_secrets(apart, "u", first).has_value());
  CHECK_FALSE(with_secrets(apart, "u", kNew, true).has_value());
  CHECK_FALSE(without_secrets(apart, "v", first).has_value());
}

TEST_CASE("edit: a user without secrets gets some") {
  const auto before = kHead + "[[user]]\n# hers\nname = \"u\"\nroles = []\n";
  for (const bool keep : {false, true}) {
    const auto after = with_secrets(before, "u", kNew, keep);
    REQUIRE(after.has_value());
    CHECK(secrets_of(*after, "u") == kNew);
    CHECK(after->find("# hers") != std::string::npos);
  }
}

TEST_CASE("edit: what cannot be found is an error") {
  const auto text = kHead + "[[user]]\nname = \"u\"\nsecrets = []\n";
  CHECK_FALSE(with_secrets(text, "v", kNew, false).has_value());
  CHECK_FALSE(with_secrets(text, "", kNew, false).has_value());
  CHECK_FALSE(with_secrets("", "u", kNew, false).has_value());
  CHECK_FALSE(with_secrets("not toml [", "u", kNew, false).has_value());
  CHECK_FALSE(with_secrets("user = 1", "u", kNew, false).has_value());
  CHECK_FALSE(
      with_secrets(kHead + "[[user]]\nname = \"u\"\nsecrets = \"x\"\n", "u", kNew, false).has_value());
}

}  // namespace
}  // namespace mcgate::conf
