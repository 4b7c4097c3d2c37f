#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "protocol/binary.hpp"
#include "protocol/reply.hpp"
#include "tests/unit/protocol/reply_feed.hpp"

namespace mcgate::protocol {
namespace {

using enum Came;

constexpr std::uint32_t kSequence = 0x01020304;
constexpr std::uint32_t kClientOpaque = 0xdeadbeef;
constexpr std::string_view kFlags{"\0\0\0\5", 4};
constexpr std::string_view kNumber{"\0\0\0\0\0\0\0\7", 8};

struct Packet {
  Opcode opcode;
  Status status = Status::Ok;
  std::string_view extras = {};
  std::string_view key = {};
  std::string_view value = {};
};

std::string wire(const Packet& packet, std::uint32_t opaque) {
  Header header;
  header.magic = kResponseMagic;
  header.opcode = static_cast<std::uint8_t>(packet.opcode);
  header.key_bytes = static_cast<std::uint16_t>(packet.key.size());
  header.extras_bytes = static_cast<std::uint8_t>(packet.extras.size());
  header.status = static_cast<std::uint16_t>(packet.status);
  header.body_bytes =
      static_cast<std::uint32_t>(packet.extras.size() + packet.key.size() + packet.value.size());
  header.opaque = opaque;
  header.cas = 99;
  std::string bytes;
  append_header(header, bytes);
  bytes += packet.extras;
  bytes += packet.key;
  bytes += packet.value;
  return bytes;
}

Expected for_binary(Opcode opcode, std::string_view key) {
  const OpcodeRow* const row = find_opcode(static_cast<std::uint8_t>(opcode));
  REQUIRE(row != nullptr);
  Expected expected = expecting(row->command, Dialect::Binary, key);
  expected.caller.quiet = row->quiet();
  expected.caller.opcode = static_cast<std::uint8_t>(opcode);
  expected.caller.opaque = kClientOpaque;
  expected.sequence = kSequence;
  return expected;
}

struct Row {
  Opcode asked;
  Packet reply;
  bool silent = false;
};

TEST_CASE("a binary reply is given back the client's opcode and opaque, and its silence") {
  const Row rows[] = {
      {Opcode::Get, {Opcode::Get, Status::Ok, kFlags, "", "value"}},
      {Opcode::Get, {Opcode::Get, Status::Ok, kFlags, "", ""}},
      {Opcode::Get, {Opcode::Get, Status::NotFound, "", "", "Not found"}},
      {Opcode::Get, {Opcode::Get, Status::OutOfMemory, "", "", "Out of memory"}},
      {Opcode::GetQ, {Opcode::Get, Status::Ok, kFlags, "", "value"}},
      {Opcode::GetQ, {Opcode::Get, Status::NotFound, "", "", "Not found"}, true},
      {Opcode::GetQ, {Opcode::Get, Status::OutOfMemory, "", "", "Out of memory"}},
      {Opcode::GetK, {Opcode::GetK, Status::Ok, kFlags, "k", "value"}},
      {Opcode::GetK, {Opcode::GetK, Status::NotFound, "", "k", ""}},
      {Opcode::GetKQ, {Opcode::GetK, Status::Ok, kFlags, "k", "value"}},
      {Opcode::GetKQ, {Opcode::GetK, Status::NotFound, "", "k", ""}, true},
      {Opcode::Gat, {Opcode::Gat, Status::Ok, kFlags, "", "value"}},
      {Opcode::GatQ, {Opcode::Gat, Status::NotFound, "", "", "Not found"}, true},
      {Opcode::GatK, {Opcode::GatK, Status::Ok, kFlags, "k", "value"}},
      {Opcode::GatKQ, {Opcode::GatK, Status::NotFound, "", "k", ""}, true},
      {Opcode::Touch, {Opcode::Touch, Status::Ok, kFlags, "", ""}},
      {Opcode::Touch, {Opcode::Touch, Status::NotFound, "", "", "Not found"}},
      {Opcode::Set, {Opcode::Set}},
      {Opcode::Set, {Opcode::Set, Status::Exists, "", "", "Data exists for key."}},
      {Opcode::Set, {Opcode::Set, Status::TooLarge, "", "", "Too large."}},
      {Opcode::SetQ, {Opcode::Set}, true},
      {Opcode::SetQ, {Opcode::Set, Status::TooLarge, "", "", "Too large."}},
      {Opcode::AddQ, {Opcode::Add, Status::Exists, "", "", "Data exists for key."}},
      {Opcode::ReplaceQ, {Opcode::Replace, Status::NotFound, "", "", "Not found"}},
      {Opcode::AppendQ, {Opcode::Append, Status::NotStored, "", "", "Not stored."}},
      {Opcode::PrependQ, {Opcode::Prepend}, true},
      {Opcode::DeleteQ, {Opcode::Delete}, true},
      {Opcode::DeleteQ, {Opcode::Delete, Status::NotFound, "", "", "Not found"}},
      {Opcode::Incr, {Opcode::Incr, Status::Ok, "", "", kNumber}},
      {Opcode::Incr, {Opcode::Incr, Status::NonNumeric, "", "", "Non-numeric server-side value"}},
      {Opcode::IncrQ, {Opcode::Incr, Status::Ok, "", "", kNumber}, true},
      {Opcode::DecrQ, {Opcode::Decr, Status::NotFound, "", "", "Not found"}},
      {Opcode::Flush, {Opcode::Flush}},
      {Opcode::FlushQ, {Opcode::Flush}, true},
      {Opcode::Flush, {Opcode::Flush, Status::AuthError, "", "", "Auth failure."}},
      {Opcode::Stat, {Opcode::Stat, Status::NotFound, "", "", "Not found"}},
      {Opcode::Stat, {Opcode::Stat}},
  };
  for (const Row& row : rows) {
    CAPTURE(static_cast<int>(row.asked));
    CAPTURE(static_cast<int>(row.reply.status));
    const std::string reply = wire(row.reply, kSequence);
    Packet told = row.reply;
    told.opcode = row.asked;
    const std::string client = row.silent ? std::string{} : wire(told, kClientOpaque);
    CHECK(feed(reply, for_binary(row.asked, "k")) == Fed{ToEnd, client, reply.size(), 0});
  }
}

TEST_CASE("a binary reply that does not fit its request is poison") {
  const Row rows[] = {
      {Opcode::Get, {Opcode::Set}},
      {Opcode::GetQ, {Opcode::GetQ, Status::Ok, kFlags, "", "value"}},  // we never send quiet ones
      {Opcode::Get, {Opcode::GetK, Status::Ok, kFlags, "k", "value"}},
      {Opcode::Get, {Opcode::Get, Status::Ok, "", "", "value"}},
      {Opcode::Get, {Opcode::Get, Status::Ok, kFlags, "k", "value"}},
      {Opcode::Get, {Opcode::Get, Status::NotFound, kFlags, "", "Not found"}},
      {Opcode::Get, {Opcode::Get, Status::NotFound, "", "k", ""}},
      {Opcode::Get, {Opcode::Get, Status::NotFound, "", "", "\x1b[2J"}},
      {Opcode::Get, {Opcode::Get, Status::Exists, "", "", "Data exists for key."}},
      {Opcode::Get, {Opcode::Get, Status::InvalidArguments, "", "", "Invalid arguments"}},
      {Opcode::Get, {Opcode::Get, Status::UnknownCommand, "", "", "Unknown command"}},
      {Opcode::Get, {Opcode::Get, Status::AuthError, "", "", "Auth failure."}},
      {Opcode::Get, {Opcode::Get, Status{0x77}, "", "", ""}},
      {Opcode::GetK, {Opcode::GetK, Status::Ok, kFlags, "x", "value"}},
      {Opcode::GetK, {Opcode::GetK, Status::Ok, kFlags, "", "value"}},
      {Opcode::GetK, {Opcode::GetK, Status::Ok, kFlags, "kk", "value"}},
      {Opcode::GetK, {Opcode::GetK, Status::NotFound, "", "x", ""}},
      {Opcode::GetK, {Opcode::GetK, Status::NotFound, "", "", "Not found"}},
      {Opcode::GatKQ, {Opcode::GatK, Status::NotFound, "", "x", ""}},
      {Opcode::Touch, {Opcode::Touch, Status::Ok, kFlags, "", "value"}},
      {Opcode::Touch, {Opcode::Touch}},
      {Opcode::Set, {Opcode::Set, Status::Ok, "", "", "x"}},
      {Opcode::Set, {Opcode::Set, Status::Ok, kFlags, "", ""}},
      {Opcode::Set, {Opcode::Set, Status::InvalidArguments, "", "", "Invalid arguments"}},
      {Opcode::Delete, {Opcode::Delete, Status::TooLarge, "", "", "Too large."}},
      {Opcode::Incr, {Opcode::Incr, Status::Ok, "", "", "1234567"}},
      {Opcode::Incr, {Opcode::Incr}},
      {Opcode::Flush, {Opcode::Flush, Status::NotFound, "", "", "Not found"}},
      {Opcode::Stat, {Opcode::Stat, Status::Ok, "", "", "value"}},  // without a name
      {Opcode::Stat, {Opcode::Stat, Status::Ok, kFlags, "pid", "1"}},
      {Opcode::Noop, {Opcode::Noop}},  // answered here, never asked
      {Opcode::Version, {Opcode::Version, Status::Ok, "", "", "1.6.18"}},
  };
  for (const Row& row : rows) {
    CAPTURE(static_cast<int>(row.asked));
    CAPTURE(static_cast<int>(row.reply.opcode));
    CAPTURE(static_cast<int>(row.reply.status));
    const Fed fed = feed(wire(row.reply, kSequence), for_binary(row.asked, "k"));
    CHECK(fed.came == ToPoison);
    CHECK(fed.out.empty());
  }
}

struct Bent {
  std::string_view what;
  std::size_t at;  // offset in the header
  std::string_view bytes;
};

TEST_CASE("a binary header that is bent is poison before its body is there") {
  const std::string good =
      wire({Opcode::GetK, Status::Ok, kFlags, "k", "value"}, kSequence).substr(0, kHeaderBytes);
  const Bent rows[] = {
      {"a request's magic", 0, "\x80"},
      {"text", 0, "E"},
      {"another opcode", 1, {"\x00", 1}},
      {"key longer than the body", 2, "\xff\xff"},
      {"extras longer than the body", 4, "\xff"},
      {"datatype", 5, "\x01"},
      {"body shorter than key and extras", 8, {"\0\0\0\4", 4}},
      {"body of 2^31", 8, {"\x80\0\0\0", 4}},
      {"body of 2^32-1", 8, "\xff\xff\xff\xff"},
      {"body of 128 MiB and a byte", 8, {"\x08\0\0\x06", 4}},
      {"another opaque", 12, "\x01\x02\x03\x05"},
      {"the client's opaque", 12, "\xde\xad\xbe\xef"},
  };
  CHECK(feed(good, for_binary(Opcode::GetK, "k")).came == ToWaiting);
  for (const Bent& row : rows) {
    CAPTURE(row.what);
    std::string bent = good;
    bent.replace(row.at, row.bytes.size(), row.bytes);
    CHECK(feed(bent, for_binary(Opcode::GetK, "k")).came == ToPoison);
  }
}

TEST_CASE("an error's text is bounded") {
  const std::string text(1025, 'x');
  const Packet most{Opcode::Get, Status::NotFound, "", "", std::string_view{text}.substr(1)};
  const Packet more{Opcode::Get, Status::NotFound, "", "", text};
  CHECK(feed_chunks(wire(most, kSequence), for_binary(Opcode::Get, "k"), {24 + 1024}).came == ToEnd);
  CHECK(feed_chunks(wire(more, kSequence), for_binary(Opcode::Get, "k"), {24}).came == ToPoison);
}

TEST_CASE("binary statistics are packets until an empty one") {
  const Packet pid{Opcode::Stat, Status::Ok, "", "pid", "1"};
  const Packet nothing{Opcode::Stat, Status::Ok, "", "empty", ""};
  const std::string reply = wire(pid, kSequence) + wire(nothing, kSequence) + wire({Opcode::Stat}, kSequence);
  const std::string client =
      wire(pid, kClientOpaque) + wire(nothing, kClientOpaque) + wire({Opcode::Stat}, kClientOpaque);
  CHECK(feed(reply, for_binary(Opcode::Stat, "")) == Fed{ToEnd, client, reply.size(), 2});

  Expected detail = for_binary(Opcode::Stat, "");
  detail.caller.command = Command::StatsDetail;
  CHECK(feed(reply, detail).came == ToEnd);

  Expected nearly_too_many = for_binary(Opcode::Stat, "");
  nearly_too_many.statistics =
      kMaxReplyStatistics - wire(pid, kSequence).size() - wire(nothing, kSequence).size();
  CHECK(feed(reply, nearly_too_many).came == ToEnd);
  ++nearly_too_many.statistics;
  CHECK(feed(reply, nearly_too_many).came == ToPoison);

  const std::string mixed = wire(pid, kSequence) + wire(pid, kSequence + 1);
  CHECK(feed(mixed, for_binary(Opcode::Stat, "")).came == ToPoison);
}

TEST_CASE("a binary link is used once its version is known") {
  REQUIRE(binary_probe().size() == kHeaderBytes);
  const Header probe = read_header(binary_probe());
  CHECK(probe.magic == kRequestMagic);
  CHECK(Opcode{probe.opcode} == Opcode::Version);
  CHECK(probe.body_bytes == 0);
  CHECK(probe.opaque == 0);

  const std::string good = wire({Opcode::Version, Status::Ok, "", "", "1.6.18"}, 0);
  for (std::size_t split = 0; split < good.size(); ++split) {
    CAPTURE(split);
    CHECK(std::holds_alternative<ProbeNeedsMore>(read_probe(Dialect::Binary, good.substr(0, split))));
  }
  const ProbeResult result = read_probe(Dialect::Binary, good);
  REQUIRE(std::holds_alternative<ProbeAnswer>(result));
  CHECK(std::get<ProbeAnswer>(result).version == protocol::Version{1, 6, 18});
  CHECK(std::get<ProbeAnswer>(result).text == "1.6.18");
  CHECK(std::get<ProbeAnswer>(result).consumed == good.size());

  const std::string long_text(257, '1');
  const std::string bad[] = {
      wire({Opcode::Version, Status::Ok, "", "", "1.6.18"}, 1),
      wire({Opcode::Noop, Status::Ok, "", "", "1.6.18"}, 0),
      wire({Opcode::Version, Status::AuthError, "", "", "Auth failure."}, 0),
      wire({Opcode::Version, Status::Ok, "", "1", ".6.18"}, 0),
      wire({Opcode::Version, Status::Ok, kFlags, "", "1.6.18"}, 0),
      wire({Opcode::Version, Status::Ok, "", "", "unknown"}, 0),
      wire({Opcode::Version, Status::Ok, "", "", long_text}, 0),
      "ERROR Too many open connections\r\n",
  };
  for (const std::string& reply : bad) {
    CAPTURE(reply);
    CHECK(std::holds_alternative<ProbeFailed>(read_probe(Dialect::Binary, reply)));
  }
}

}  // namespace
}  // namespace mcgate::protocol
