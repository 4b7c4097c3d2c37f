#include "proxy/audit_groups.hpp"

#include <utility>

namespace mcgate::proxy {
namespace {

// Whose groups are bounded together.
std::string share_of(const AuditEvent& event) {
  return static_cast<char>(event.kind) + event.user;
}

}  // namespace

bool AuditGroups::count(const std::string& identity, const AuditEvent& event) {
  const auto found = groups_.find(identity);
  if (found == groups_.end()) return false;
  AuditRepeats& repeats = found->second.repeats;
  if (repeats.count++ == 0) repeats.first = event.at;
  repeats.last = event.at;
  return true;
}

std::vector<AuditLine> AuditGroups::add(AuditEvent event, Time now) {
  std::vector<AuditLine> lines = take_due(now);
  if (interval_ == std::chrono::milliseconds{0}) {
    lines.push_back({compose(event, keys_)});
    return lines;
  }
  std::string alike = identity(event, keys_);
  if (count(alike, event)) return lines;
  const auto share = shares_.find(share_of(event));
  if (groups_.size() >= kAll / 2 || (share != shares_.end() && share->second >= kOfOneUser)) {
    event.various = true;
    alike = identity(event, keys_);
    if (count(alike, event)) return lines;
  }
  lines.push_back({compose(event, keys_)});
  // As many as that there are not, without keys and addresses, but in a configuration of very many users.
  if (groups_.size() >= kAll) return lines;
  ++shares_[share_of(event)];
  const auto [group, added] = groups_.emplace(std::move(alike), Group{std::move(event), now + interval_, {}});
  order_.push_back(&group->first);
  return lines;
}

void AuditGroups::end_first(std::vector<AuditLine>& lines) {
  const auto found = groups_.find(*order_.front());
  const Group& group = found->second;
  if (group.repeats.count > 0)
    lines.push_back({compose(group.event, keys_, &group.repeats), group.repeats.count});
  if (const auto share = shares_.find(share_of(group.event)); --share->second == 0) shares_.erase(share);
  order_.pop_front();
  groups_.erase(found);
}

std::vector<AuditLine> AuditGroups::take_due(Time now) {
  std::vector<AuditLine> lines;
  while (next_due() <= now) end_first(lines);
  return lines;
}

std::vector<AuditLine> AuditGroups::take_all() {
  std::vector<AuditLine> lines;
  while (!order_.empty()) end_first(lines);
  return lines;
}

std::uint64_t AuditGroups::forget() {
  std::uint64_t events = 0;
  for (const auto& [identity, group] : groups_) events += group.repeats.count;
  order_.clear();
  groups_.clear();
  shares_.clear();
  return events;
}

AuditGroups::Time AuditGroups::next_due() const {
  return order_.empty() ? Time::max() : groups_.find(*order_.front())->second.until;
}

}  // namespace mcgate::proxy
