#include "protocol/base64.hpp"

#include <doctest/doctest.h>

using namespace mcgate::protocol;

TEST_CASE("base64 round trips (RFC 4648 section 10, and every byte)") {
  struct Row {
    std::string plain, encoded;
  };
  std::string all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
  std::string all_encoded;
  encode_base64(all, all_encoded);
  for (const Row& row : {Row{"f", "Zg=="}, Row{"fo", "Zm8="}, Row{"foo", "Zm9v"}, Row{"foob", "Zm9vYg=="},
                         Row{"fooba", "Zm9vYmE="}, Row{"foobar", "Zm9vYmFy"}, Row{"secret", "c2VjcmV0"},
                         Row{"\xff\xef\xbf", "/++/"}, Row{all, all_encoded}}) {
    CAPTURE(row.encoded);
    std::string encoded = "before ";
    encode_base64(row.plain, encoded);
    CHECK(encoded == "before " + row.encoded);
    std::string decoded = "before ";
    CHECK(decode_base64(row.encoded, decoded));
    CHECK(decoded == "before " + row.plain);
  }
}

TEST_CASE("base64 that isn't canonical is refused, and nothing is appended") {
  for (const std::string_view row :
       {"",     "Z",    "Zg",     "Zg=",   "Zg===",    "=",    "====", "Zm9v=", "Zg==Zg==", "Z===",
        "Zh==", "Zm9=", "Zm8=\n", "Zm 9v", "Zm9v\r\n", "Zm9*", "Zm-_", "Z=g=",  "=Zg=",     "c2Vj\xffmV0"}) {
    CAPTURE(row);
    std::string out = "before";
    CHECK_FALSE(decode_base64(row, out));
    CHECK(out == "before");
  }
  std::string out;
  CHECK_FALSE(decode_base64(std::string_view{"Zm9v\0m9v", 8}, out));
  CHECK(out.empty());
}

TEST_CASE("each base64 text of one group is either refused or the only one for its bytes") {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
  int accepted = 0;
  for (const char third : kAlphabet) {
    for (const char fourth : kAlphabet) {
      const std::string text{'Q', 'Q', third, fourth};
      CAPTURE(text);
      std::string bytes;
      if (!decode_base64(text, bytes)) continue;
      ++accepted;
      std::string again;
      encode_base64(bytes, again);
      CHECK(again == text);
    }
  }
  CHECK(accepted == 64 * 64 + 16 + 1);  // whole groups, QQx=, QQ==
}
