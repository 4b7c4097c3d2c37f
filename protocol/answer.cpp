#include "protocol/answer.hpp"

#include "protocol/binary.hpp"

namespace mcgate::protocol {
namespace {

struct RefusalTexts {
  std::string_view line;    // text and meta
  Status status;            // binary
  std::string_view packet;  // its body
};

RefusalTexts texts(Refusal refusal, DeniedStatus denied) {
  switch (refusal) {
    case Refusal::Unauthenticated:
      return {"CLIENT_ERROR unauthenticated\r\n", Status::AuthError, "Auth failure."};
    case Refusal::AuthenticationFailure:
      return {"CLIENT_ERROR authentication failure\r\n", Status::AuthError, "Auth failure."};
    case Refusal::BadLoginToken:
      return {"CLIENT_ERROR bad authentication token format\r\n", Status::AuthError, "Auth failure."};
    case Refusal::AccessDenied:
      return {"CLIENT_ERROR access denied\r\n", static_cast<Status>(denied), "Access denied"};
    case Refusal::Unsupported:
      return {"ERROR\r\n", Status::UnknownCommand, "Unknown command"};  // what such a backend says itself
    case Refusal::UpstreamDown:
      return {"SERVER_ERROR upstream unavailable\r\n", Status::TemporaryFailure, "Upstream unavailable"};
    case Refusal::UpstreamTimeout:
      return {"SERVER_ERROR upstream timed out\r\n", Status::TemporaryFailure, "Upstream timed out"};
    case Refusal::TtlLimit:
      return {"CLIENT_ERROR limit exceeded: time to live\r\n", static_cast<Status>(denied),
              "Limit exceeded: time to live"};
    case Refusal::RequestsLimit:
      return {"CLIENT_ERROR limit exceeded: requests per second\r\n", static_cast<Status>(denied),
              "Limit exceeded: requests per second"};
    case Refusal::BytesLimit:
      return {"CLIENT_ERROR limit exceeded: bytes per second\r\n", static_cast<Status>(denied),
              "Limit exceeded: bytes per second"};
    case Refusal::ConnectionsLimit:
      return {"CLIENT_ERROR limit exceeded: connections\r\n", static_cast<Status>(denied),
              "Limit exceeded: connections"};
    case Refusal::TooManyStreams:
      return {"SERVER_ERROR too many streams\r\n", Status::Busy, "Too many streams"};
    case Refusal::TooManyLogins:
      return {"CLIENT_ERROR too many log-ins wait, try again later\r\n", Status::Busy,
              "Too many log-ins wait, try again later"};
    case Refusal::LoginUnchecked:
      return {"CLIENT_ERROR log-ins cannot be checked now, try again later\r\n", Status::Busy,
              "Log-ins cannot be checked now, try again later"};
  }
  return {"SERVER_ERROR\r\n", Status::TemporaryFailure, "Refused"};
}

bool is_login(Refusal refusal) {
  return refusal == Refusal::Unauthenticated || refusal == Refusal::AuthenticationFailure ||
         refusal == Refusal::BadLoginToken || refusal == Refusal::ConnectionsLimit ||
         refusal == Refusal::TooManyLogins || refusal == Refusal::LoginUnchecked;
}

// Whether the caller's protocol leaves a quiet request's refusal unsaid.
bool silent(const Caller& caller, Refusal refusal) {
  // memcached heeds neither noreply nor a quiet opcode before log-in.
  if (!caller.quiet || is_login(refusal)) return false;
  switch (caller.dialect) {
    case Dialect::Text:
      return true;  // noreply silences CLIENT_ERROR and SERVER_ERROR too
    case Dialect::Meta:
      return false;  // q hides EN and HD, never an error; clients read up to MN and skip error lines
    case Dialect::Binary:
      // An error amid a quiet multi-get is taken for its end by clients, which are out of step from then on
      // (Dalli, python-binary-memcached): to them it is a miss, and the fence carries the error.
      return row(caller.command).category == Category::Read;
  }
  return false;
}

// A packet with nothing but a body, in answer to the caller.
void append_packet(const Caller& caller, Status status, std::string_view body, std::string& out) {
  append_response(caller.opcode, caller.opaque, status, body, out);
}

}  // namespace

Told compose_refusal(const Caller& caller, Refusal refusal, DeniedStatus denied, std::string& out) {
  if (silent(caller, refusal)) return Told::Silent;
  const RefusalTexts said = texts(refusal, denied);
  if (caller.dialect == Dialect::Binary) {
    append_packet(caller, said.status, said.packet, out);
  } else {
    out += said.line;
  }
  return Told::Answered;
}

void compose_version(const Caller& caller, std::string_view version, std::string& out) {
  if (caller.dialect == Dialect::Binary) {
    append_packet(caller, Status::Ok, version, out);
    return;
  }
  out += "VERSION ";
  out += version;
  out += "\r\n";
}

void compose_miss(const Request& request, std::string& out) {
  const Caller& caller = request.caller;
  switch (caller.dialect) {
    case Dialect::Text:
      out += "END\r\n";
      return;
    case Dialect::Meta:
      if (caller.quiet) return;
      out += "EN";
      for (const MetaFlag& flag : request.meta_flags) {
        if (flag.letter == 'O') out.append(" O").append(flag.argument);
        if (flag.letter != 'k') continue;
        out.append(" k").append(request.meta_key_sent);
        if (request.meta_letters.contains('b')) out += " b";
      }
      out += "\r\n";
      return;
    case Dialect::Binary:
      if (caller.quiet) return;
      if (!answers_with_key(Opcode{caller.opcode})) {
        append_error(caller.opcode, caller.opaque, Status::NotFound, out);
        return;
      }
      append_header({.magic = kResponseMagic,
                     .opcode = caller.opcode,
                     .key_bytes = static_cast<std::uint16_t>(request.denied_key.size()),
                     .status = static_cast<std::uint16_t>(Status::NotFound),
                     .body_bytes = static_cast<std::uint32_t>(request.denied_key.size()),
                     .opaque = caller.opaque},
                    out);
      out += request.denied_key;
  }
}

void compose_noop(const Caller& caller, std::string& out) {
  if (caller.dialect == Dialect::Binary) {
    append_packet(caller, Status::Ok, {}, out);
  } else {
    out += "MN\r\n";
  }
}

void compose_quit(const Caller& caller, std::string& out) {
  if (caller.dialect == Dialect::Binary && !caller.quiet) append_packet(caller, Status::Ok, {}, out);
}

void compose_text_login_accepted(std::string& out) {
  out += "STORED\r\n";
}

void compose_sasl_mechanisms(const Caller& caller, std::string_view mechanisms, std::string& out) {
  append_packet(caller, Status::Ok, mechanisms, out);
}

void compose_unknown_command(const Caller& caller, std::string& out) {
  append_error(caller.opcode, caller.opaque, Status::UnknownCommand, out);
}

void compose_sasl_success(const Caller& caller, std::string& out) {
  append_packet(caller, Status::Ok, "Authenticated", out);
}

void compose_sasl_challenge(const Caller& caller, std::string_view challenge, std::string& out) {
  append_packet(caller, Status::AuthContinue, challenge, out);
}

void compose_invalid_arguments(const Caller& caller, std::string& out) {
  append_error(caller.opcode, caller.opaque, Status::InvalidArguments, out);
}

}  // namespace mcgate::protocol
