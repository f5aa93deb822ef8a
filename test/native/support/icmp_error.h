// ICMP errors in tests: read from what the engine sent, or built around a packet.
#pragma once

#include <vector>

#include "support/packet_builder.h"
#include "support/sent.h"

namespace sluice::test {

// The bytes of the IP packet in a frame without tags.
inline std::vector<uint8_t> ip_bytes(const PacketBuilder& builder) {
  Frame frame = builder.build();
  return {frame.data() + EthernetHeader::kSize, frame.data() + frame.size()};
}

// An ICMP error that the engine sent, and the packet that it quotes.
class SentError {
 public:
  explicit SentError(const MemoryFrame& frame) : sent_(frame) {}
  bool is_one() const {
    const Headers& headers = packet().headers;
    if (packet().verdict != Verdict::none) return false;
    if (headers.family == 4) return headers.protocol == kProtocolIcmp && !is_icmp_query(type());
    return headers.protocol == kProtocolIcmpv6 && is_icmpv6_error(type());
  }
  const Packet& packet() const { return sent_.packet(); }
  const FlowKey& key() const { return packet().key; }
  uint8_t type() const { return *packet().at(packet().headers.l4); }
  uint8_t code() const { return *packet().at(packet().headers.l4 + 1u); }
  uint32_t mtu() const { return load_be32(packet().at(packet().headers.l4 + 4u)); }
  std::vector<uint8_t> quote() const {
    return {packet().at(packet().headers.l4 + 8u), packet().at(packet().headers.end)};
  }

 private:
  mutable Sent sent_;
};

// An error of a router about an IP packet, as much of it as is given. `is_v6` by its source.
inline PacketBuilder icmp_error(const IpAddress& router, const IpAddress& to, uint8_t type,
                                uint8_t code, uint32_t rest, std::vector<uint8_t> quote) {
  return PacketBuilder().ip(router, to).icmp(type, code, rest).payload(std::move(quote));
}
// Fragmentation needed, or packet too big.
inline PacketBuilder too_big_error(const IpAddress& router, const IpAddress& to, uint16_t mtu,
                                   std::vector<uint8_t> quote) {
  const bool v4 = router.is_v4();
  return icmp_error(router, to, v4 ? kIcmpUnreachable : kIcmpv6PacketTooBig,
                    v4 ? kIcmpFragmentationNeeded : 0, mtu, std::move(quote));
}

}  // namespace sluice::test
