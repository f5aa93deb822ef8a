#include "stack/local_addresses.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {

namespace {

// RFC 5227 2.3 sends two; RFC 4861 7.2.6 allows up to three.
constexpr uint8_t kAnnouncements = 2;
// RFC 5227 1.1, DEFEND_INTERVAL.
constexpr Duration kDefenceInterval = Duration::seconds(10);

}  // namespace

void LocalAddresses::add_port(PortId port, const MacAddress& mac, uint16_t mtu) {
  SLUICE_CHECK(port < kMaxPorts && links_[port].port == kNoPort);
  links_[port] = {port, mtu, mac};
}

void LocalAddresses::join(PortId port, PortId to, uint16_t mtu) {
  SLUICE_CHECK(port < kMaxPorts && links_[port].port == kNoPort && link(to).port == to);
  links_[port] = links_[to];
  for (Link& member : links_) {
    if (member.port == to) member.mtu = std::min(member.mtu, mtu);
  }
}

void LocalAddresses::add(PortId port, const IpAddress& address, uint8_t prefix_length) {
  port = link(port).port;
  OwnAddress& own = enter(address);
  SLUICE_CHECK(own.port == kNoPort);
  own.port = port;
  subnets_.push_back({port, address, IpPrefix(address, prefix_length)});
}

void LocalAddresses::add_virtual(const IpAddress& address, bool silent) {
  OwnAddress& own = enter(address);
  const bool was_claimed = own.is_claimed();
  ++own.virtual_uses;
  own.silent_uses += silent;
  if (!was_claimed && !silent) announce(own);
}

void LocalAddresses::remove_virtual(const IpAddress& address, bool silent) {
  OwnAddress* own = find(address);
  SLUICE_CHECK(own != nullptr && own->virtual_uses > 0);
  own->silent_uses -= silent;
  --own->virtual_uses;
  release(address, *own);
}

void LocalAddresses::add_source(const IpAddress& address, bool outbound) {
  OwnAddress& own = enter(address);
  const bool was_claimed = own.is_claimed();
  own.is_source = true;
  own.is_outbound = outbound;
  if (!was_claimed) announce(own);
}

void LocalAddresses::remove_source(const IpAddress& address) {
  OwnAddress* own = find(address);
  SLUICE_CHECK(own != nullptr && own->is_source);
  own->is_source = false;
  release(address, *own);
}

bool LocalAddresses::is_source(const IpAddress& address) const {
  const auto own = own_.find(address);
  return own != own_.end() && own->second.is_source;
}

bool LocalAddresses::is_outbound_source(const IpAddress& address) const {
  const auto own = own_.find(address);
  return own != own_.end() && own->second.is_source && own->second.is_outbound;
}

bool LocalAddresses::is_addressed(const IpAddress& address) const {
  const auto own = own_.find(address);
  return own != own_.end() && (own->second.virtual_uses > 0 || !own->second.is_source);
}

const Link& LocalAddresses::link(PortId port) const {
  SLUICE_CHECK(port < kMaxPorts && links_[port].port != kNoPort);
  return links_[port];
}

bool LocalAddresses::claims(const IpAddress& address) const {
  const auto own = own_.find(address);
  return own != own_.end() && own->second.is_claimed();
}

// A silent one on a link of ours is a host's there; elsewhere it would come back to us.
bool LocalAddresses::owns(const IpAddress& address) const {
  const auto own = own_.find(address);
  if (own == own_.end()) return false;
  return own->second.is_claimed() ||
         std::none_of(subnets_.begin(), subnets_.end(),
                      [&](const Subnet& subnet) { return subnet.prefix.contains(address); });
}

bool LocalAddresses::stands_for(PortId port, const IpAddress& address) const {
  const auto own = own_.find(address);
  if (own == own_.end()) return false;
  if (own->second.port != kNoPort) return own->second.port == port;
  if (!own->second.is_claimed()) return false;
  bool in_a_subnet = false;
  for (const Subnet& subnet : subnets_) {
    if (!subnet.prefix.contains(address)) continue;
    if (subnet.port == port) return true;
    in_a_subnet = true;
  }
  return !in_a_subnet;
}

bool LocalAddresses::answers(PortId port, const IpAddress& address) const {
  const auto own = own_.find(address);
  return own != own_.end() && !own->second.lost && stands_for(port, address);
}

bool LocalAddresses::is_own_mac(const MacAddress& mac) const {
  return std::any_of(links_.begin(), links_.end(),
                     [&](const Link& link) { return link.port != kNoPort && link.mac == mac; });
}

bool LocalAddresses::may_be_neighbor(PortId port, const IpAddress& address) const {
  if (claims(address) || address.is_multicast() || is_broadcast(address)) return false;
  // Peers speak from link-local addresses whatever the subnets are (RFC 4861 7.2.2).
  if (address.is_link_local()) return true;
  return std::any_of(subnets_.begin(), subnets_.end(), [&](const Subnet& subnet) {
    return subnet.port == port && subnet.prefix.contains(address);
  });
}

bool LocalAddresses::is_broadcast(const IpAddress& address) const {
  return address == IpAddress::v4(0xffffffff) ||
         std::any_of(subnets_.begin(), subnets_.end(),
                     [&](const Subnet& subnet) { return subnet.prefix.is_broadcast(address); });
}

const IpAddress* LocalAddresses::source_for(PortId port, const IpAddress& target) const {
  const IpAddress* found = nullptr;
  for (const Subnet& subnet : subnets_) {
    if (subnet.port != port || subnet.address.is_v4() != target.is_v4()) continue;
    if (subnet.prefix.contains(target)) return &subnet.address;
    if (found == nullptr) found = &subnet.address;
  }
  return found;
}

const IpAddress* LocalAddresses::speaker(PortId port, const IpAddress& target) const {
  if (const IpAddress* found = source_for(port, target)) return found;
  for (const Subnet& subnet : subnets_) {
    if (subnet.address.is_v4() == target.is_v4()) return &subnet.address;
  }
  return nullptr;
}

// RFC 5227 2.4(c): a router or server defends its address for good, but not in a loop with another
// that does the same.
void LocalAddresses::contest(Instant now, const IpAddress& address) {
  OwnAddress* own = find(address);
  SLUICE_CHECK(own != nullptr);
  ++conflicts_;
  if (now < own->probe_ends) {
    duplicates_ += !own->lost;
    own->lost = true;
    own->announcements_left = 0;
    own->probe_ends = Instant();
    own->next_probe = now + kRetryInterval;
    announcement_due_ = std::min(announcement_due_, own->next_probe);
    return;
  }
  if (own->lost || now < own->next_defence) return;
  own->next_defence = now + kDefenceInterval;
  if (own->announcements_left == 0) own->announcements_left = 1;
  announcement_due_ = now;
}

void LocalAddresses::contest_probe(Instant now, const IpAddress& address) {
  const OwnAddress* own = find(address);
  if (own != nullptr && now < own->probe_ends) contest(now, address);
}

// Of a lost one: nobody has answered the last probe, so it is ours; or the next one is due.
void LocalAddresses::try_again(Instant now, OwnAddress& own) {
  if (own.probe_ends != Instant() && own.probe_ends <= now) {
    own.lost = false;
    own.probe_ends = Instant();
    own.next_probe = Instant::never();
    own.announcements_left = kAnnouncements;
    --duplicates_;
  } else if (own.next_probe <= now) {
    own.next_probe = now + kRetryInterval;
    own.probe_due = true;
  }
}

void LocalAddresses::announce_all_again(Instant now) {
  for (auto& [address, own] : own_) announce(own);
  if (!own_.empty()) announcement_due_ = now;
}

LocalAddresses::OwnAddress* LocalAddresses::find(const IpAddress& address) {
  const auto found = own_.find(address);
  return found == own_.end() ? nullptr : &found->second;
}

LocalAddresses::OwnAddress& LocalAddresses::enter(const IpAddress& address) {
  SLUICE_CHECK(!address.is_zero() && !address.is_multicast());
  const auto [at, is_new] = own_.try_emplace(address);
  if (is_new) announce(at->second);
  return at->second;
}

void LocalAddresses::release(const IpAddress& address, const OwnAddress& own) {
  if (own.is_used()) return;
  duplicates_ -= own.lost;
  own_.erase(address);
}

void LocalAddresses::announce(OwnAddress& own) {
  own.probe_due = true;
  if (!own.lost) own.announcements_left = kAnnouncements;
  announcement_due_ = Instant();  // the next poll, whenever that is
}

}  // namespace sluice
