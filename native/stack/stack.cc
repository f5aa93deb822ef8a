#include "stack/stack.h"

#include <algorithm>

#include "packet/l4_checksum.h"
#include "stack/echo.h"
#include "wire/ethernet.h"
#include "wire/ip_protocol.h"

namespace sluice {

Stack::Stack(const StackLimits& limits, uint64_t seed, PacketPool& pool, FrameSink& sink)
    : sink_(sink),
      addresses_(seed),
      neighbors_(limits, seed, pool, *this, sink_),
      arp_(addresses_, neighbors_, sink_),
      discovery_(addresses_, neighbors_, sink_),
      reports_(addresses_, sink_),
      errors_(seed, addresses_, sink_) {}

void Stack::add_port(PortId port, const MacAddress& mac, uint16_t mtu) {
  addresses_.add_port(port, mac, mtu);
}

void Stack::add_address(PortId port, const IpAddress& address, uint8_t prefix_length) {
  addresses_.add(port, address, prefix_length);
  routes_.add({IpPrefix(address, prefix_length), addresses_.link(port).port, IpAddress{}});
}

void Stack::add_virtual_address(const IpAddress& address, bool silent) {
  addresses_.add_virtual(address, silent);
}

void Stack::remove_virtual_address(const IpAddress& address, bool silent) {
  addresses_.remove_virtual(address, silent);
}

Status Stack::add_route(const IpAddress& to, uint8_t prefix_length, const IpAddress& via) {
  const Route* link = routes_.find_connected(via);
  if (link == nullptr) {
    return Error{"add route", 0, "the gateway must be in the subnet of an address of a port"};
  }
  routes_.add({IpPrefix(to, prefix_length), link->port, via});
  return Done{};
}

bool Stack::is_for_us(const Packet& packet) const {
  return is_neighbor_message(packet) || MulticastReports::takes(packet) ||
         (packet.headers.family != 0 && owns(packet.key.dst));
}

void Stack::deliver(Instant now, Packet& packet) {
  const Headers& headers = packet.headers;
  // A tagged frame belongs to another network than our addresses.
  if (headers.l3 != EthernetHeader::kSize) return packet.drop(DropReason::ether_type_unknown);
  if (is_neighbor_message(packet)) return answer_neighbor(now, packet);
  if (MulticastReports::takes(packet)) return reports_.input(now, packet);
  if (!owns(packet.key.dst)) {
    return packet.drop(packet.key.dst.is_multicast() ? DropReason::multicast
                                                     : DropReason::no_virtual_server);
  }
  // Our address cannot come from elsewhere.
  if (owns(packet.key.src)) return packet.drop(DropReason::ip_martian);
  if (headers.echo_request) return answer_echo(addresses_.link(packet.in_port), packet, sink_);
  refuse(now, packet);
}

// RFC 1122 4.1.3.1, RFC 4443 3.1: no UDP port of ours is open. The first fragment stands for its
// datagram.
void Stack::refuse(Instant now, Packet& packet) {
  if (packet.headers.protocol == kProtocolUdp && !packet.headers.headless) {
    if (!l4_checksum_is_right(packet)) return packet.drop(DropReason::l4_checksum);
    send_error(now, packet, {IcmpError::Kind::port_unreachable});
  }
  packet.drop(packet.headers.fragment ? DropReason::ip_fragment : DropReason::own_address);
}

bool Stack::is_neighbor_message(const Packet& packet) {
  return packet.headers.ether_type == kEtherTypeArp || NeighborDiscovery::takes(packet);
}

void Stack::answer_neighbor(Instant now, Packet& packet) {
  if (packet.headers.ether_type == kEtherTypeArp) return arp_.input(now, packet);
  discovery_.input(now, packet);
}

bool Stack::concerns_us(const Packet& packet) const {
  const PortId port = addresses_.link(packet.in_port).port;
  if (packet.headers.ether_type == kEtherTypeArp) {
    const ArpMessage message(packet.at(packet.headers.l3));
    return addresses_.answers(port, message.target_ip()) ||
           addresses_.answers(port, message.sender_ip());
  }
  const std::optional<IpAddress> target = NeighborDiscovery::target_of(packet);
  return target && addresses_.answers(port, *target);
}

void Stack::overhear(Instant now, Packet& packet) {
  sink_.mute(true);
  answer_neighbor(now, packet);
  sink_.mute(false);
  packet.verdict = Verdict::elsewhere;
}

NextHop Stack::acquire_next_hop(Instant now, const IpAddress& destination, DropReason& why) {
  if (!may_be_sent_to(destination, why)) return kNoNextHop;
  // A link-local address says nothing about its link.
  const Route* route = destination.is_link_local() ? nullptr : routes_.find(destination);
  if (route == nullptr) {
    why = DropReason::no_route;
    return kNoNextHop;
  }
  return acquire_neighbor(now, route->port, route->via.is_zero() ? destination : route->via, why);
}

NextHop Stack::acquire_neighbor(Instant now, PortId port, const IpAddress& address,
                                DropReason& why) {
  if (!may_be_sent_to(address, why)) return kNoNextHop;
  if (addresses_.source_for(port, address) == nullptr) {
    why = DropReason::no_route;
    return kNoNextHop;
  }
  const NextHop hop = neighbors_.acquire(now, addresses_.link(port), address);
  if (hop == kNoNextHop) why = DropReason::neighbor_table_full;
  return hop;
}

bool Stack::may_come_from(const IpAddress& source) const {
  const bool link_local = source.is_v4() ? source.v4() >> 16 == 0xa9fe : source.is_link_local();
  return !link_local && !addresses_.is_broadcast(source);
}

// RFC 2644: what is sent to a subnet's broadcast address from elsewhere does not enter it.
bool Stack::may_be_sent_to(const IpAddress& destination, DropReason& why) const {
  if (addresses_.claims(destination)) {
    why = DropReason::own_address;
    return false;
  }
  if (destination.is_multicast() || addresses_.is_broadcast(destination)) {
    why = DropReason::multicast;
    return false;
  }
  return true;
}

void Stack::announce(Instant now) {
  addresses_.announce_all_again(now);
  announce_due(now);
}

void Stack::poll(Instant now) {
  announce_due(now);
  neighbors_.poll(now);
}

Instant Stack::deadline() const {
  return std::min(addresses_.announcement_due(), neighbors_.deadline());
}

StackCounters Stack::counters() const {
  return {announces_ ? addresses_.conflicts() : 0,
          announces_ ? addresses_.duplicates() : 0,
          neighbors_.evicted(),
          neighbors_.held_packets(),
          errors_.sent(),
          errors_.limited()};
}

void Stack::solicit(PortId port, const IpAddress& target, const MacAddress* known) {
  if (target.is_v4()) {
    arp_.solicit(port, target, known);
  } else {
    discovery_.solicit(port, target, known);
  }
}

void Stack::announce_due(Instant now) {
  addresses_.announce_due(
      now, [this](PortId port, const IpAddress& address, LocalAddresses::Claim claim) {
        if (!announces_) return;
        const bool probe = claim == LocalAddresses::Claim::probe;
        if (address.is_v4())
          return probe ? arp_.probe(port, address) : arp_.announce(port, address);
        // First of all, so that answers to the probe find their way (RFC 4862 5.4.2).
        if (probe) reports_.report(port, address);
        probe ? discovery_.probe(port, address) : discovery_.announce(port, address);
      });
}

}  // namespace sluice
