// stack/: what the engine is on its links. It has addresses of its own and answers ARP, neighbour
// discovery and echo requests for them; it finds the next hop of a destination by static routes,
// resolves it, and holds packets meanwhile. It sends nothing by itself but hands frames to a
// FrameSink, reads no clock, and allocates only while it is configured. One worker owns it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/instant.h"
#include "base/result.h"
#include "packet/packet.h"
#include "packet/packet_pool.h"
#include "stack/arp.h"
#include "stack/frame_sink.h"
#include "stack/icmp_errors.h"
#include "stack/local_addresses.h"
#include "stack/multicast_reports.h"
#include "stack/neighbor_discovery.h"
#include "stack/neighbor_table.h"
#include "stack/next_hop.h"
#include "stack/route_table.h"
#include "wire/address.h"

namespace sluice {

using StackLimits = NeighborTable::Limits;

struct StackCounters {
  uint64_t address_conflicts = 0;    // another host claimed an address of ours (RFC 5227, 4862)
  uint64_t duplicate_addresses = 0;  // gauge: those that are the other host's
  uint64_t neighbors_evicted = 0;    // unreferenced entries that made room for new ones
  uint64_t held_packets = 0;         // gauge: packets that wait for a next hop
  uint64_t icmp_errors = 0;          // sent
  uint64_t icmp_errors_limited = 0;
};

class Stack : private Solicitor {
 public:
  Stack(const StackLimits& limits, uint64_t seed, PacketPool& pool, FrameSink& sink);
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  // Configuration. Ports come first, then their addresses, then routes through their subnets.
  // Every address is probed once and announced twice to its link by the polls that follow its
  // addition.
  void add_port(PortId port, const MacAddress& mac, uint16_t mtu);
  // A port that is bridged with another: they are one link, of which the other's MAC address is
  // ours.
  void join_port(PortId port, PortId to, uint16_t mtu) { addresses_.join(port, to, mtu); }
  // Another worker of the engine announces our addresses, and tells of conflicts about them.
  void leave_announcements_to_others() { announces_ = false; }
  // An address of the engine itself; its prefix is a connected route.
  void add_address(PortId port, const IpAddress& address, uint8_t prefix_length);
  // Addresses of the host beside the engine, which gets what is for them by itself: nothing is
  // routed there.
  void leave_to_host(std::span<const IpAddress> addresses) {
    for (const IpAddress& address : addresses) addresses_.leave_to_host(address);
  }
  bool is_of_host(const IpAddress& address) const { return addresses_.is_of_host(address); }
  // An address of virtual servers, counted: it is owned until removed as often as added. Answered
  // on the ports whose subnets hold it, on every port where none does.
  // `silent`: ARP and neighbour discovery are not answered for it.
  void add_virtual_address(const IpAddress& address, bool silent = false);
  void remove_virtual_address(const IpAddress& address, bool silent = false);
  // An address that flows leave from, by translation; `outbound` those that begin inside, which are
  // answered from outside. One that is known is of another use from now on.
  void add_source_address(const IpAddress& address, bool outbound) {
    addresses_.add_source(address, outbound);
  }
  void remove_source_address(const IpAddress& address) { addresses_.remove_source(address); }
  bool is_source(const IpAddress& address) const { return addresses_.is_source(address); }
  bool is_outbound_source(const IpAddress& address) const {
    return addresses_.is_outbound_source(address);
  }
  // An address of ours whose packets belong where their source says (packet/steering.h): not what
  // comes back to one that flows leave from.
  bool is_addressed(const IpAddress& address) const { return addresses_.is_addressed(address); }
  // Fails where `via` is in no connected subnet.
  Status add_route(const IpAddress& to, uint8_t prefix_length, const IpAddress& via);

  bool owns(const IpAddress& address) const { return addresses_.owns(address); }
  // Whether a packet that belongs to no flow and opens none is for deliver(): ARP, neighbour
  // discovery, and what is sent to an address of ours. The packet has been parsed.
  bool is_for_us(const Packet& packet) const;
  // Answers the packet or not, and sets its verdict: deliver or drop. May change its bytes.
  void deliver(Instant now, Packet& packet);
  // ARP or neighbour discovery.
  static bool is_neighbor_message(const Packet& packet);
  // A question who listens to groups (RFC 3810): others on the link are asked, too.
  static bool is_listener_query(const Packet& packet) { return MulticastReports::takes(packet); }
  // Whether a neighbour message asks for an address that we answer for, or claims one.
  bool concerns_us(const Packet& neighbor_message) const;
  // A neighbour message that is not for us, or that another worker of the engine delivers: we learn
  // what it says. Sets the verdict `elsewhere`.
  void overhear(Instant now, Packet& packet);

  // Our address on a port towards `target`, or where that port has none any other; null if there is
  // none.
  const IpAddress* speaker(PortId port, const IpAddress& target) const {
    return addresses_.speaker(port, target);
  }
  // Tells the sender of a packet why it goes no further, if it may be told: by ICMP, back the way
  // it came. The packet has been parsed, and stands as its sender sent it.
  void send_error(Instant now, const Packet& about, const IcmpError& error) {
    errors_.send(now, about, error);
  }

  // Whether packets of others may have this source: no broadcast address, and none that means
  // something on one link only (RFC 1812 5.3.7, RFC 4291 2.5.6, RFC 3927 7).
  bool may_come_from(const IpAddress& source) const;
  // Whether packets are forwarded to a destination at all: not to ourselves (own_address), nor to
  // more than one host (multicast).
  bool may_be_sent_to(const IpAddress& destination, DropReason& why) const;
  // The next hop towards a destination, with a reference for the caller. kNoNextHop, and why:
  // no_route, multicast (or a subnet's broadcast address), own_address, neighbor_table_full.
  NextHop acquire_next_hop(Instant now, const IpAddress& destination, DropReason& why);
  // The same for a neighbour on a known port.
  NextHop acquire_neighbor(Instant now, PortId port, const IpAddress& address, DropReason& why);
  // Another reference of a next hop that has one.
  void share_next_hop(NextHop hop) { neighbors_.share(hop); }
  void release_next_hop(NextHop hop) { neighbors_.release(hop); }
  // What a port is on, its MTU the least of it.
  const Link& link(PortId port) const { return addresses_.link(port); }
  const NextHopView& next_hop(NextHop hop) const { return neighbors_.view(hop); }

  // Takes a copy of a packet that is finished but for its Ethernet addresses, and asks for those of
  // `hop`, which is referenced and unresolved. The packet comes back through the sink. When the
  // neighbour's queue is full the oldest gives way (RFC 4861 7.2.2). False, and why: the neighbour
  // failed to answer a moment ago, or no buffer is left.
  bool hold(Instant now, NextHop hop, const Packet& packet, DropReason& why) {
    return neighbors_.hold(now, hop, packet, why);
  }

  // Announces every address again, for instance after a link came up.
  void announce(Instant now);
  // Repeats requests, probes entries before they expire, gives up. Due at deadline().
  void poll(Instant now);
  Instant deadline() const;

  StackCounters counters() const;

 private:
  void solicit(PortId port, const IpAddress& target, const MacAddress* known) override;
  void announce_due(Instant now);

  // Lets frames of our own pass, unless it is muted.
  class Voice final : public FrameSink {
   public:
    explicit Voice(FrameSink& sink) : sink_(sink) {}
    void mute(bool muted) { muted_ = muted; }

    void originate(PortId port, Packet& frame) override {
      if (!muted_) sink_.originate(port, frame);
    }
    void resume(PortId port, std::span<Packet* const> packets) override {
      sink_.resume(port, packets);
    }
    void give_up(const Packet& packet) override { sink_.give_up(packet); }

   private:
    FrameSink& sink_;
    bool muted_ = false;
  };

  void answer_neighbor(Instant now, Packet& packet);
  void refuse(Instant now, Packet& packet);

  Voice sink_;
  bool announces_ = true;
  LocalAddresses addresses_;
  RouteTable routes_;
  NeighborTable neighbors_;
  Arp arp_;
  NeighborDiscovery discovery_;
  MulticastReports reports_;
  IcmpErrors errors_;
};

}  // namespace sluice
