#pragma once

#include "base/instant.h"
#include "packet/packet.h"
#include "stack/frame_sink.h"
#include "stack/local_addresses.h"
#include "stack/neighbor_table.h"
#include "wire/arp.h"

namespace sluice {

// ARP (RFC 826, RFC 5227) for our addresses and our neighbours (TCPX-76). Mirrors
// NeighborDiscovery.
class Arp {
 public:
  Arp(LocalAddresses& addresses, NeighborTable& neighbors, FrameSink& sink)
      : addresses_(addresses), neighbors_(neighbors), sink_(sink) {}

  // Sets the verdict of a parsed ARP packet.
  void input(Instant now, Packet& packet);
  void solicit(PortId port, const IpAddress& target, const MacAddress* known);
  void announce(PortId port, const IpAddress& address);
  void probe(PortId port, const IpAddress& address);

 private:
  void input_checked(Instant now, Packet& packet, const ArpMessage& message);
  void send(uint16_t operation, PortId port, const IpAddress& sender,
            const MacAddress& ethernet_dst, const MacAddress& target_mac, const IpAddress& target);

  LocalAddresses& addresses_;
  NeighborTable& neighbors_;
  FrameSink& sink_;
};

}  // namespace sluice
