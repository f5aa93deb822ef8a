#pragma once

#include <optional>

#include "base/instant.h"
#include "packet/packet.h"
#include "stack/frame_sink.h"
#include "stack/local_addresses.h"
#include "stack/neighbor_table.h"
#include "wire/icmpv6.h"

namespace sluice {

// Neighbour solicitations and advertisements of IPv6 (RFC 4861 7.2) for our addresses and our
// neighbours. Mirrors Arp. Router discovery and redirects are not for us: routes are configured.
class NeighborDiscovery {
 public:
  NeighborDiscovery(LocalAddresses& addresses, NeighborTable& neighbors, FrameSink& sink)
      : addresses_(addresses), neighbors_(neighbors), sink_(sink) {}

  // Whether a parsed packet is for input(). Fragments never are (RFC 6980 5).
  static bool takes(const Packet& packet);
  // Whose address such a packet asks for or tells; none where it is malformed.
  static std::optional<IpAddress> target_of(const Packet& packet);
  // Sets the verdict.
  void input(Instant now, Packet& packet);
  void solicit(PortId port, const IpAddress& target, const MacAddress* known);
  void announce(PortId port, const IpAddress& address);
  void probe(PortId port, const IpAddress& address);

 private:
  void solicitation(Instant now, Packet& packet, const NeighborMessage& message, size_t size);
  void advertisement(Instant now, Packet& packet, const NeighborMessage& message, size_t size);
  void advertise(PortId port, const IpAddress& address, const IpAddress& to,
                 const MacAddress& ethernet_dst, bool solicited);

  LocalAddresses& addresses_;
  NeighborTable& neighbors_;
  FrameSink& sink_;
};

}  // namespace sluice
