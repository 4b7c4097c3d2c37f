#include "protocol/answer.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace mcgate::protocol;
using namespace std::string_literals;

namespace {

constexpr std::uint32_t kOpaque = 0xdeadbeef;

Caller text(Command command, bool quiet) {
  return {.command = command, .dialect = Dialect::Text, .quiet = quiet, .opcode = 0, .opaque = 0};
}
Caller meta(Command command, bool quiet) {
  return {.command = command, .dialect = Dialect::Meta, .quiet = quiet, .opcode = 0, .opaque = 0};
}
Caller binary(Command command, std::uint8_t opcode, bool quiet) {
  return {
      .command = command, .dialect = Dialect::Binary, .quiet = quiet, .opcode = opcode, .opaque = kOpaque};
}

// A response as it must look on the wire: no extras, no key, datatype and cas zero.
std::string packet(std::uint8_t opcode, std::uint16_t status, const std::string& body) {
  std::string out = "\x81"s;
  out += static_cast<char>(opcode);
  out += "\0\0\0\0"s;
  out += static_cast<char>(status >> 8U);
  out += static_cast<char>(status & 0xffU);
  out += "\0\0\0"s;
  out += static_cast<char>(body.size());
  out += "\xde\xad\xbe\xef"s;
  out += std::string(8, '\0');
  return out + body;
}

constexpr Refusal kAllRefusals[] = {
    Refusal::Unauthenticated, Refusal::AuthenticationFailure, Refusal::AccessDenied,  Refusal::Unsupported,
    Refusal::UpstreamDown,    Refusal::UpstreamTimeout,       Refusal::BadLoginToken, Refusal::TooManyStreams,
    Refusal::TooManyLogins,   Refusal::LoginUnchecked,
};

bool about_login(Refusal refusal) {
  return refusal == Refusal::Unauthenticated || refusal == Refusal::AuthenticationFailure ||
         refusal == Refusal::BadLoginToken || refusal == Refusal::TooManyLogins ||
         refusal == Refusal::LoginUnchecked;
}

}  // namespace

TEST_CASE("a refusal has its line in text and meta, its status in binary") {
  struct {
    Refusal refusal;
    DeniedStatus denied;
    std::string line;
    std::uint16_t status;
    std::string body;
  } const rows[] = {
      {Refusal::Unauthenticated, DeniedStatus::AuthError, "CLIENT_ERROR unauthenticated", 0x20,
       "Auth failure."},
      {Refusal::AuthenticationFailure, DeniedStatus::NoAccess, "CLIENT_ERROR authentication failure", 0x20,
       "Auth failure."},
      {Refusal::AccessDenied, DeniedStatus::AuthError, "CLIENT_ERROR access denied", 0x20, "Access denied"},
      {Refusal::AccessDenied, DeniedStatus::NoAccess, "CLIENT_ERROR access denied", 0x24, "Access denied"},
      {Refusal::Unsupported, DeniedStatus::AuthError, "ERROR", 0x81, "Unknown command"},
      {Refusal::UpstreamDown, DeniedStatus::AuthError, "SERVER_ERROR upstream unavailable", 0x86,
       "Upstream unavailable"},
      {Refusal::UpstreamTimeout, DeniedStatus::AuthError, "SERVER_ERROR upstream timed out", 0x86,
       "Upstream timed out"},
      {Refusal::TooManyStreams, DeniedStatus::AuthError, "SERVER_ERROR too many streams", 0x85,
       "Too many streams"},
      {Refusal::TooManyLogins, DeniedStatus::AuthError, "CLIENT_ERROR too many log-ins wait, try again later",
       0x85, "Too many log-ins wait, try again later"},
      {Refusal::LoginUnchecked, DeniedStatus::AuthError,
       "CLIENT_ERROR log-ins cannot be checked now, try again later", 0x85,
       "Log-ins cannot be checked now, try again later"},
      {Refusal::BadLoginToken, DeniedStatus::AuthError, "CLIENT_ERROR bad authentication token format", 0x20,
       "Auth failure."},
  };
  for (const auto& row : rows) {
    CAPTURE(row.line);
    for (const Caller& caller : {text(Command::Get, false), meta(Command::MetaSet, false)}) {
      std::string out = "before";
      CHECK(compose_refusal(caller, row.refusal, row.denied, out) == Told::Answered);
      CHECK(out == "before" + row.line + "\r\n");
    }
    std::string out = "before";
    CHECK(compose_refusal(binary(Command::Set, 0x01, false), row.refusal, row.denied, out) == Told::Answered);
    CHECK(out == "before" + packet(0x01, row.status, row.body));
  }
}

TEST_CASE("who is quiet is told what its protocol tells it") {
  struct {
    std::string_view name;
    Caller caller;
    bool silent;
  } const rows[] = {
      {"set noreply", text(Command::Set, true), true},
      {"delete noreply", text(Command::Delete, true), true},
      {"flush_all noreply", text(Command::FlushAll, true), true},
      {"mg q", meta(Command::MetaGet, true), false},
      {"ms q", meta(Command::MetaSet, true), false},
      {"md q", meta(Command::MetaDelete, true), false},
      {"ma q", meta(Command::MetaArithmetic, true), false},
      {"GetQ", binary(Command::Get, 0x09, true), true},
      {"GetKQ", binary(Command::Get, 0x0d, true), true},
      {"GatQ", binary(Command::Gat, 0x1e, true), true},
      {"GatKQ", binary(Command::Gat, 0x24, true), true},
      {"SetQ", binary(Command::Set, 0x11, true), false},
      {"DeleteQ", binary(Command::Delete, 0x14, true), false},
      {"IncrQ", binary(Command::Incr, 0x15, true), false},
      {"FlushQ", binary(Command::FlushAll, 0x18, true), false},
      {"AppendQ", binary(Command::Append, 0x19, true), false},
      {"GetK", binary(Command::Get, 0x0c, false), false},
      {"Gat", binary(Command::Gat, 0x1d, false), false},
      {"Touch", binary(Command::Touch, 0x1c, false), false},
      {"Noop", binary(Command::Noop, 0x0a, false), false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    for (const Refusal refusal : kAllRefusals) {
      CAPTURE(static_cast<int>(refusal));
      const bool silent = row.silent && !about_login(refusal);
      std::string out;
      CHECK(compose_refusal(row.caller, refusal, DeniedStatus::AuthError, out) ==
            (silent ? Told::Silent : Told::Answered));
      CHECK(out.empty() == silent);
      if (row.caller.dialect == Dialect::Binary && !silent) {
        REQUIRE(out.size() > 24);  // a text for the body: some clients show nothing else
        CHECK(out[1] == static_cast<char>(row.caller.opcode));
        CHECK(out.substr(12, 4) == "\xde\xad\xbe\xef");
      }
    }
  }
}

TEST_CASE("version, noop and quit answer in the caller's dialect") {
  std::string out;
  compose_version(text(Command::Version, false), "1.6.18", out);
  compose_version(binary(Command::Version, 0x0b, false), "1.6.18", out);
  CHECK(out == "VERSION 1.6.18\r\n" + packet(0x0b, 0, "1.6.18"));

  out.clear();
  compose_noop(meta(Command::Noop, false), out);
  compose_noop(binary(Command::Noop, 0x0a, false), out);
  CHECK(out == "MN\r\n" + packet(0x0a, 0, ""));

  out.clear();
  compose_quit(text(Command::Quit, false), out);
  compose_quit(binary(Command::Quit, 0x17, true), out);
  CHECK(out == "");
  compose_quit(binary(Command::Quit, 0x07, false), out);
  CHECK(out == packet(0x07, 0, ""));
}

TEST_CASE("log-ins are answered as memcached answers them") {
  std::string out;
  compose_text_login_accepted(out);
  CHECK(out == "STORED\r\n");

  const Caller list = binary(Command::SaslList, 0x20, false);
  const Caller auth = binary(Command::SaslAuth, 0x21, false);
  const Caller step = binary(Command::SaslStep, 0x22, false);
  out.clear();
  compose_sasl_mechanisms(list, "PLAIN SCRAM-SHA-256", out);
  CHECK(out == packet(0x20, 0, "PLAIN SCRAM-SHA-256"));
  out.clear();
  compose_unknown_command(list, out);
  CHECK(out == packet(0x20, 0x81, "Unknown command"));
  out.clear();
  compose_sasl_success(step, out);
  CHECK(out == packet(0x22, 0, "Authenticated"));
  out.clear();
  compose_sasl_challenge(auth, "r=\0x"s, out);
  CHECK(out == packet(0x21, 0x21, "r=\0x"s));
  out.clear();
  compose_sasl_challenge(auth, "", out);
  CHECK(out == packet(0x21, 0x21, ""));
  out.clear();
  compose_invalid_arguments(auth, out);
  CHECK(out == packet(0x21, 0x04, "Invalid arguments"));
}
