// A session's stream: a watch, a dump or statistics of anything named, on a link of its own.
#include <utility>

#include "proxy/session.hpp"
#include "proxy/worker.hpp"

namespace mcgate::proxy {

using protocol::Refusal;

bool Session::stream(const protocol::Request& request) {
  if (queue_.in_flight() != 0) return false;  // order: nothing else may be answered meanwhile
  const Link& shared = worker_.link_for(id_, request.caller.dialect);
  if (!shared.ready()) {
    refuse(request.caller, Refusal::UpstreamDown);
    return true;
  }
  if (!protocol::supported(request, shared.version())) {
    refuse(request.caller, Refusal::Unsupported);
    return true;
  }
  Link* link = worker_.lease(id_, request);
  if (link == nullptr) {
    reached(Bound::Streams);
    refuse(request.caller, Refusal::TooManyStreams);
    return true;
  }
  queue_.ask(1);
  audit_administrative(request);
  become(Streaming{std::get<Serving>(std::move(phase_)), request.caller, link});
  link->connect();
  return true;
}

// A stream that ends when nobody listens any more; a dump comes to its end by itself.
bool Session::in_endless_stream() const {
  const auto* streaming = std::get_if<Streaming>(&phase_);
  return streaming != nullptr && streaming->caller.command == protocol::Command::Watch;
}

void Session::on_lease_over() {
  auto* streaming = std::get_if<Streaming>(&phase_);
  if (streaming == nullptr) return;
  if (queue_.in_flight() != 0) {  // it never came up
    refuse_head(streaming->caller);
  }
  worker_.end_lease(id_);
  become(std::move(streaming->serving));
  worker_.mark(id_);
}

void Session::refuse_head(const protocol::Caller& caller) {
  protocol::compose_refusal(caller, Refusal::UpstreamDown, denied_status(), queue_.head());
  queue_.answered(1);
}

void Session::log_lost_stream(std::string_view reason) const {
  const auto* streaming = std::get_if<Streaming>(&phase_);
  if (streaming == nullptr || !worker_.client_log().allow(worker_.now())) return;
  worker_.log().warning("stream_lost", {{"user", user_name()},
                                        {"peer", auth::format(peer_)},
                                        {"command", protocol::row(streaming->caller.command).name},
                                        {"reason", reason}});
}

}  // namespace mcgate::proxy
