#include "stack/neighbor_discovery.h"

#include "base/check.h"
#include "packet/l4_checksum.h"
#include "stack/own_frame.h"
#include "stack/solicited_node.h"
#include "wire/ipv6.h"

namespace sluice {

namespace {

constexpr size_t kMessageSize = NeighborMessage::kSize + NeighborMessage::kMacOptionSize;
// RFC 4861 7.1: what came through a router has less.
constexpr uint8_t kHopLimit = 255;

const IpAddress kAllNodes{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

// DropReason::count when the message may be believed (RFC 4861 7.1.1, 7.1.2).
DropReason fault_of(const Packet& packet) {
  const Ipv6Header ip(packet.at(packet.headers.l3));
  const uint8_t* message = packet.at(packet.headers.l4);
  const size_t size = packet.headers.end - packet.headers.l4;
  if (ip.hop_limit() != kHopLimit || !NeighborMessage::check(message, size)) {
    return DropReason::nd_malformed;
  }
  if (!l4_checksum_is_right(packet)) return DropReason::l4_checksum;
  return DropReason::count;
}

}  // namespace

bool NeighborDiscovery::takes(const Packet& packet) {
  const Headers& headers = packet.headers;
  if (headers.family != 6 || headers.protocol != kProtocolIcmpv6 || headers.fragment) return false;
  const uint8_t type = IcmpHeader(packet.at(headers.l4)).type();
  return type == kIcmpv6NeighborSolicitation || type == kIcmpv6NeighborAdvertisement;
}

std::optional<IpAddress> NeighborDiscovery::target_of(const Packet& packet) {
  uint8_t* message = packet.at(packet.headers.l4);
  const size_t size = packet.headers.end - packet.headers.l4;
  if (!NeighborMessage::check(message, size)) return std::nullopt;
  return NeighborMessage(message).target();
}

void NeighborDiscovery::input(Instant now, Packet& packet) {
  const DropReason fault = fault_of(packet);
  if (fault != DropReason::count) return packet.drop(fault);
  // A frame of our own that the link gave back.
  if (addresses_.is_own_mac(EthernetHeader(packet.data).src())) {
    return packet.drop(DropReason::nd_not_ours);
  }
  const NeighborMessage message(packet.at(packet.headers.l4));
  const size_t size = packet.headers.end - packet.headers.l4;
  if (message.type() == kIcmpv6NeighborSolicitation) {
    solicitation(now, packet, message, size);
  } else {
    advertisement(now, packet, message, size);
  }
}

// RFC 4861 7.2.3.
void NeighborDiscovery::solicitation(Instant now, Packet& packet, const NeighborMessage& message,
                                     size_t size) {
  const PortId port = addresses_.link(packet.in_port).port;
  const IpAddress& source = packet.key.src;
  const IpAddress target = message.target();
  MacAddress mac = EthernetHeader(packet.data).src();
  const bool has_mac = message.find_mac(NeighborMessage::kSourceMacOption, size, mac);
  const bool is_probe = source.is_zero();  // duplicate address detection (RFC 4862 5.4.3)
  if (mac.is_multicast() ||
      (is_probe && (has_mac || !(packet.key.dst == solicited_node(target))))) {
    return packet.drop(DropReason::nd_malformed);
  }
  if (is_probe && addresses_.stands_for(port, target)) addresses_.contest_probe(now, target);
  if (!addresses_.answers(port, target)) return packet.drop(DropReason::nd_not_ours);
  packet.verdict = Verdict::deliver;
  if (is_probe) return advertise(port, target, kAllNodes, multicast_mac(kAllNodes), false);
  if (addresses_.claims(source)) {
    if (addresses_.stands_for(port, source)) addresses_.contest(now, source);
    return;
  }
  if (has_mac && addresses_.may_be_neighbor(port, source)) {
    neighbors_.learn(now, addresses_.link(port), source, mac);
  }
  // Without the option, as unicast probes may come, the answer goes back to where the frame came
  // from: a resolution of its own would ask who asks us.
  advertise(port, target, source, mac, true);
}

// RFC 4861 7.2.5.
void NeighborDiscovery::advertisement(Instant now, Packet& packet, const NeighborMessage& message,
                                      size_t size) {
  const PortId port = addresses_.link(packet.in_port).port;
  const IpAddress target = message.target();
  const bool solicited = (message.flags() & NeighborMessage::kSolicited) != 0;
  const bool overrides = (message.flags() & NeighborMessage::kOverride) != 0;
  MacAddress mac;
  const bool has_mac = message.find_mac(NeighborMessage::kTargetMacOption, size, mac);
  if (mac.is_multicast() || (solicited && packet.key.dst.is_multicast())) {
    return packet.drop(DropReason::nd_malformed);
  }
  if (addresses_.stands_for(port, target)) {
    addresses_.contest(now, target);
  } else if (!neighbors_.advertised(
                 now, {port, target, has_mac ? &mac : nullptr, solicited, overrides})) {
    return packet.drop(DropReason::nd_not_ours);
  }
  packet.verdict = Verdict::deliver;
}

namespace {

// Sends what `compose` writes, a message of `size` bytes, from `source` to `destination`.
template <class Compose>
void send(const Link& link, FrameSink& sink, const IpAddress& source, const IpAddress& destination,
          const MacAddress& ethernet_dst, Compose compose, size_t size = kMessageSize) {
  OwnFrame frame(kEtherTypeIpv6, link.mac, ethernet_dst, Ipv6Header::kSize + size);
  Ipv6Header ip = Ipv6Header::start(frame.payload());
  ip.set_payload_length(static_cast<uint16_t>(size));
  ip.set_next_header(kProtocolIcmpv6);
  ip.set_hop_limit(kHopLimit);
  ip.set_src(source);
  ip.set_dst(destination);
  uint8_t* message = frame.payload() + Ipv6Header::kSize;
  compose(message);
  complete_icmpv6_checksum(ip.src_bytes(), ip.dst_bytes(), message, size);
  sink.originate(link.port, frame.packet());
}

}  // namespace

void NeighborDiscovery::solicit(PortId port, const IpAddress& target, const MacAddress* known) {
  const Link& link = addresses_.link(port);
  const IpAddress* source = addresses_.source_for(port, target);
  SLUICE_CHECK(source != nullptr);
  const IpAddress destination = known != nullptr ? target : solicited_node(target);
  const MacAddress ethernet_dst = known != nullptr ? *known : multicast_mac(destination);
  send(link, sink_, *source, destination, ethernet_dst, [&](uint8_t* at) {
    NeighborMessage message = NeighborMessage::start(at, kIcmpv6NeighborSolicitation, 0);
    message.set_target(target);
    message.append_mac(NeighborMessage::kSourceMacOption, link.mac);
  });
}

// RFC 4861 7.2.6.
void NeighborDiscovery::announce(PortId port, const IpAddress& address) {
  advertise(port, address, kAllNodes, multicast_mac(kAllNodes), false);
}

// RFC 4862 5.4.2: from nobody, and so without an option.
void NeighborDiscovery::probe(PortId port, const IpAddress& address) {
  const IpAddress group = solicited_node(address);
  const auto compose = [&](uint8_t* at) {
    NeighborMessage::start(at, kIcmpv6NeighborSolicitation, 0).set_target(address);
  };
  send(addresses_.link(port), sink_, IpAddress{}, group, multicast_mac(group), compose,
       NeighborMessage::kSize);
}

// The router flag says what we are to those who route through us; the override flag, that the
// address is ours and no anycast address (RFC 4861 7.2.4).
void NeighborDiscovery::advertise(PortId port, const IpAddress& address, const IpAddress& to,
                                  const MacAddress& ethernet_dst, bool solicited) {
  const Link& link = addresses_.link(port);
  uint8_t flags = NeighborMessage::kRouter | NeighborMessage::kOverride;
  if (solicited) flags |= NeighborMessage::kSolicited;
  send(link, sink_, address, to, ethernet_dst, [&](uint8_t* at) {
    NeighborMessage message = NeighborMessage::start(at, kIcmpv6NeighborAdvertisement, flags);
    message.set_target(address);
    message.append_mac(NeighborMessage::kTargetMacOption, link.mac);
  });
}

}  // namespace sluice
