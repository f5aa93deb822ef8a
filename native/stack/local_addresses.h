#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/instant.h"
#include "packet/packet.h"
#include "stack/ip_prefix.h"
#include "wire/address.h"
#include "wire/address_hash.h"

namespace sluice {

// What the stack knows of a port, or of several that are bridged: the link that it is on.
struct Link {
  PortId port = kNoPort;  // the first one on it, by which the stack calls it; kNoPort: no such port
  uint16_t mtu = 0;
  MacAddress mac;
};

// The links and the addresses of our own on them. Beside add_port, join, add and link, a port is
// the first one of its link.
class LocalAddresses {
 public:
  static constexpr Duration kAnnouncementInterval = Duration::seconds(2);  // RFC 5227 1.1
  // How long another host may answer a probe for an address that it has: RetransTimer of RFC 4862
  // 5.4, PROBE_MIN of RFC 5227.
  static constexpr Duration kProbeTime = Duration::seconds(1);
  // Until an address that another host has is probed again: RATE_LIMIT_INTERVAL of RFC 5227.
  static constexpr Duration kRetryInterval = Duration::seconds(60);

  explicit LocalAddresses(uint64_t seed)
      : own_(0, AddressHash(seed)), of_host_(0, AddressHash(seed)) {}

  void add_port(PortId port, const MacAddress& mac, uint16_t mtu);
  // A further port on the link of another, which has its MAC address there, too.
  void join(PortId port, PortId to, uint16_t mtu);
  void add(PortId port, const IpAddress& address, uint8_t prefix_length);
  // An address of a virtual server; a `silent` one is not answered for while no other use of it is.
  void add_virtual(const IpAddress& address, bool silent);
  void remove_virtual(const IpAddress& address, bool silent);
  // An address that flows leave from, by translation: it is answered for as one of virtual servers.
  // `outbound`: those leave from it that begin inside, and are answered from outside.
  void add_source(const IpAddress& address, bool outbound);
  void remove_source(const IpAddress& address);
  bool is_source(const IpAddress& address) const;
  bool is_outbound_source(const IpAddress& address) const;
  // Whether what comes to it comes from clients, not in answer to what left from it.
  bool is_addressed(const IpAddress& address) const;

  // An address of the host beside the engine, which has what comes for it from the same device.
  void leave_to_host(const IpAddress& address) { of_host_.insert(address); }
  bool is_of_host(const IpAddress& address) const {
    return !of_host_.empty() && of_host_.contains(address);
  }

  const Link& link(PortId port) const;
  // Whether packets to `address` are for us.
  bool owns(const IpAddress& address) const;
  // Whether no other host may have it: one that only silent virtual servers have may be a node's,
  // for which they stand in (LB-11).
  bool claims(const IpAddress& address) const;
  // Whether `address` is ours on the link of `port`: one of the engine itself on its own link only,
  // one of virtual servers where a subnet holds it, or, where none does, everywhere.
  bool stands_for(PortId port, const IpAddress& address) const;
  // Whether ARP and neighbour discovery are answered for it there: not while another host has it.
  bool answers(PortId port, const IpAddress& address) const;
  bool is_own_mac(const MacAddress& mac) const;
  // Whether `address` may be another host on the link of `port`.
  bool may_be_neighbor(PortId port, const IpAddress& address) const;
  // The directed broadcast address of a subnet of ours.
  bool is_broadcast(const IpAddress& address) const;
  // Our address to ask for `target` from: in the same subnet where there is one, else any of its
  // family on that port; null where there is none.
  const IpAddress* source_for(PortId port, const IpAddress& target) const;
  // The same, and where that port has none one of another port: as a router speaks (RFC 1812
  // 4.3.2.4).
  const IpAddress* speaker(PortId port, const IpAddress& target) const;

  // Another host claims an address of ours, or asks whether it may. One that we have probed a
  // moment ago is the other's from now on (RFC 4862 5.4.3, RFC 5227 2.1.1), and probed again later;
  // any other is defended by one announcement, unless the last such answer was a moment ago.
  // Counted.
  void contest(Instant now, const IpAddress& address);
  // The same of one that only asks, which means nothing once the address is ours.
  void contest_probe(Instant now, const IpAddress& address);
  uint64_t conflicts() const { return conflicts_; }
  // Addresses that another host has.
  uint64_t duplicates() const { return duplicates_; }

  // Announcements are due from here on. Each address is probed once and announced twice after it
  // was added. It is in use meanwhile, as RFC 4429 allows: a duplicate is the rare case.
  Instant announcement_due() const { return announcement_due_; }
  void announce_all_again(Instant now);
  enum class Claim : uint8_t { probe, announce };
  // Calls send(PortId, IpAddress, Claim) for each probe and announcement that is due.
  template <class Send>
  void announce_due(Instant now, Send send);
  // Calls visit(IpAddress) for each address that stands_for() a port.
  template <class Visit>
  void for_each_on(PortId port, Visit visit) const;

 private:
  struct OwnAddress {
    PortId port = kNoPort;      // where it is the engine's own; kNoPort: of virtual servers only
    uint32_t virtual_uses = 0;  // by virtual servers
    uint32_t silent_uses = 0;   // of those
    bool is_source = false;
    bool is_outbound = false;  // a source of what begins inside
    uint8_t announcements_left = 0;
    bool probe_due = false;
    bool lost = false;  // another host has it
    Instant next_defence;
    Instant probe_ends;  // until then a conflict means that the other had it first
    Instant next_probe = Instant::never();  // of one that is lost

    bool is_claimed() const { return port != kNoPort || virtual_uses > silent_uses || is_source; }
    bool is_used() const { return port != kNoPort || virtual_uses > 0 || is_source; }
  };

  struct Subnet {
    PortId port;
    IpAddress address;  // ours in it
    IpPrefix prefix;
  };

  OwnAddress& enter(const IpAddress& address);
  // Forgets it where nothing uses it any more: `own` is gone then.
  void release(const IpAddress& address, const OwnAddress& own);
  void announce(OwnAddress& own);
  void try_again(Instant now, OwnAddress& own);
  template <class Send>
  void send_everywhere(const IpAddress& address, Claim claim, Send send);
  OwnAddress* find(const IpAddress& address);

  std::array<Link, kMaxPorts> links_;
  std::vector<Subnet> subnets_;
  std::unordered_map<IpAddress, OwnAddress, AddressHash> own_;
  std::unordered_set<IpAddress, AddressHash> of_host_;
  Instant announcement_due_ = Instant::never();
  uint64_t conflicts_ = 0;
  uint64_t duplicates_ = 0;
};

template <class Send>
void LocalAddresses::announce_due(Instant now, Send send) {
  if (now < announcement_due_) return;
  announcement_due_ = Instant::never();
  for (auto& [address, own] : own_) {
    if (own.lost) try_again(now, own);
    if (own.probe_due) {
      own.probe_due = false;
      own.probe_ends = now + kProbeTime;
      send_everywhere(address, Claim::probe, send);
    }
    if (own.lost) {
      const bool probing = own.probe_ends != Instant();
      announcement_due_ = std::min(announcement_due_, probing ? own.probe_ends : own.next_probe);
    } else if (own.announcements_left > 0) {
      --own.announcements_left;
      send_everywhere(address, Claim::announce, send);
      if (own.announcements_left > 0) {
        announcement_due_ = std::min(announcement_due_, now + kAnnouncementInterval);
      }
    }
  }
}

template <class Send>
void LocalAddresses::send_everywhere(const IpAddress& address, Claim claim, Send send) {
  for (PortId port = 0; port < kMaxPorts; ++port) {
    if (links_[port].port == port && stands_for(port, address)) send(port, address, claim);
  }
}

template <class Visit>
void LocalAddresses::for_each_on(PortId port, Visit visit) const {
  for (const auto& [address, own] : own_) {
    if (stands_for(port, address)) visit(address);
  }
}

}  // namespace sluice
