// What hosts on a link say to find each other: ARP for IPv4, neighbour discovery for IPv6.
#pragma once

#include <optional>
#include <vector>

#include "support/packet_builder.h"

namespace sluice::test {

struct LinkHost {
  PortId port;
  MacAddress mac;
  IpAddress address;
};

inline bool is_arp(const std::vector<uint8_t>& frame) {
  return load_be16(&frame[12]) == kEtherTypeArp;
}

// ARP, neighbour discovery, or a report of what groups one listens to.
inline bool is_neighbor_message(const std::vector<uint8_t>& frame) {
  const bool v6 = load_be16(&frame[12]) == kEtherTypeIpv6;
  if (v6 && frame.size() > 62 && frame[20] == 0 && frame[62] == kIcmpv6MulticastReport) return true;
  return is_arp(frame) ||
         (load_be16(&frame[12]) == kEtherTypeIpv6 && frame[20] == kProtocolIcmpv6 &&
          frame[54] >= kIcmpv6NeighborSolicitation && frame[54] <= kIcmpv6NeighborAdvertisement);
}

// The target, and a link-layer address option of this type (RFC 4861 4.3, 4.4).
inline std::vector<uint8_t> discovery_body(const IpAddress& target, uint8_t option,
                                           const MacAddress& mac) {
  std::vector<uint8_t> body(target.bytes.begin(), target.bytes.end());
  body.insert(body.end(), {option, 1});
  body.insert(body.end(), mac.bytes.begin(), mac.bytes.end());
  return body;
}

// Asks whoever has `mac` for its address.
inline Frame neighbor_request(const LinkHost& host, const MacAddress& mac,
                              const IpAddress& target) {
  PacketBuilder builder;
  builder.eth(host.mac, mac);
  if (target.is_v4()) return builder.arp(1, host.mac, host.address, MacAddress{}, target).build();
  builder.ip(host.address, target).ttl(255).icmp(kIcmpv6NeighborSolicitation);
  return builder.payload(discovery_body(target, 1, host.mac)).build();
}

// What `host` answers to a message that may be a request for it.
inline std::optional<Frame> neighbor_answer(const LinkHost& host,
                                            const std::vector<uint8_t>& message) {
  const MacAddress asker = MacAddress::load(&message[6]);
  PacketBuilder answer;
  answer.eth(host.mac, asker);
  if (is_arp(message)) {
    const IpAddress sender = IpAddress::load_v4(&message[28]);
    if (message[21] != 1 || IpAddress::load_v4(&message[38]) != host.address) return std::nullopt;
    return answer.arp(2, host.mac, host.address, asker, sender).build();
  }
  const bool asks = message[54] == kIcmpv6NeighborSolicitation;
  if (!asks || IpAddress::load_v6(&message[62]) != host.address) return std::nullopt;
  constexpr uint32_t kSolicitedOverride = 0x60000000;
  answer.ip(host.address, IpAddress::load_v6(&message[22])).ttl(255);
  answer.icmp(kIcmpv6NeighborAdvertisement, 0, kSolicitedOverride);
  return answer.payload(discovery_body(host.address, 2, host.mac)).build();
}

}  // namespace sluice::test
