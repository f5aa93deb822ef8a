#include "segment/segment_frames.h"

#include <algorithm>
#include <cstring>

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace sluice {

namespace {

constexpr uint8_t kHopLimit = 64;  // RFC 9293 3.9.2
// What an IPv4 packet carries, behind a header without options, and a payload of IPv6.
constexpr size_t kMostOverIpv4 = 65535 - Ipv4Header::kSize;
constexpr size_t kMostOverIpv6 = 65535;

struct IpFields {
  uint8_t protocol;
  uint8_t tos;
  uint16_t id;
  size_t l4_size;
};

// Path MTU discovery, which only TCP does, wants no fragments (RFC 1191 3); what is never one needs
// no identification (RFC 6864 4.1). Returns the sum of the pseudo-header.
uint64_t write_ipv4(uint8_t* at, const FlowKey& key, const IpFields& fields) {
  Ipv4Header ip = Ipv4Header::start(at);
  at[1] = fields.tos;
  ip.set_total_length(static_cast<uint16_t>(Ipv4Header::kSize + fields.l4_size));
  ip.set_id(fields.id);
  ip.set_fragment(fields.protocol == kProtocolTcp ? Ipv4Header::kDontFragment : 0);
  ip.set_ttl(kHopLimit);
  ip.set_protocol(fields.protocol);
  ip.set_src(key.src.v4());
  ip.set_dst(key.dst.v4());
  ip.complete_checksum();
  return pseudo_header_sum_v4(key.src.bytes.data() + 12, key.dst.bytes.data() + 12, fields.protocol,
                              static_cast<uint32_t>(fields.l4_size));
}

uint64_t write_ipv6(uint8_t* at, const FlowKey& key, const IpFields& fields) {
  Ipv6Header ip = Ipv6Header::start(at);
  store_be16(at, static_cast<uint16_t>(0x6000 | fields.tos << 4));
  ip.set_payload_length(static_cast<uint16_t>(fields.l4_size));
  ip.set_next_header(fields.protocol);
  ip.set_hop_limit(kHopLimit);
  ip.set_src(key.src);
  ip.set_dst(key.dst);
  return pseudo_header_sum_v6(key.src.bytes.data(), key.dst.bytes.data(), fields.protocol,
                              static_cast<uint32_t>(fields.l4_size));
}

constexpr size_t ip_header(bool v4) { return v4 ? Ipv4Header::kSize : Ipv6Header::kSize; }

}  // namespace

SegmentFrames::SegmentFrames(Flows& flows, Stack& stack, Transmitter& transmitter, Bridge* bridge,
                             Counters& counters, uint64_t seed)
    : flows_(flows),
      stack_(stack),
      transmitter_(transmitter),
      bridge_(bridge),
      counters_(counters),
      random_(seed),
      bytes_(kFrames * kFrame) {}

void SegmentFrames::send(LegIndex leg, const OutgoingSegment& segment) {
  const NextHop hop = flows_.table().leg(flows_.towards_peer(leg)).next_hop;
  send_answer(flows_.table().key_of(leg), hop, segment);
}

void SegmentFrames::send_answer(const FlowKey& arrives, NextHop next_hop,
                                const OutgoingSegment& segment) {
  if (used_ == kFrames) flush();
  leave(next_hop, write(arrives.reversed(), segment));
}

void SegmentFrames::send_back(const Packet& arrived, const Link& link,
                              const OutgoingSegment& segment) {
  if (used_ == kFrames) flush();
  Packet& packet = write(arrived.key.reversed(), segment);
  EthernetHeader ethernet(packet.data);
  ethernet.set_dst(EthernetHeader(arrived.data).src());
  ethernet.set_src(link.mac);
  bridge_ == nullptr ? transmitter_.queue(now_, arrived.in_port, packet)
                     : bridge_->forward(now_, packet);
}

// A packet with all but what follows the IP header. `sum` is that of the pseudo-header, which the
// checksum field holds where it is left to the port.
Packet& SegmentFrames::start(const FlowKey& key, uint8_t tos, size_t l4_size, uint16_t& sum) {
  const bool v4 = key.src.is_v4();
  const bool tcp = key.protocol == kProtocolTcp;
  const size_t l4 = EthernetHeader::kSize + ip_header(v4);
  Packet& packet = packets_[used_] = Packet{};
  packet.data = bytes_.data() + used_ * kFrame + kHeadroom;
  packet.length = static_cast<uint32_t>(l4 + l4_size);
  packet.origin = PacketOrigin::own;
  packet.key = key;
  ++used_;
  EthernetHeader(packet.data).set_ether_type(v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  const uint16_t id = tcp ? 0 : static_cast<uint16_t>(random_.next());
  const IpFields fields{key.protocol, tos, id, l4_size};
  uint8_t* l3 = packet.at(EthernetHeader::kSize);
  sum = fold_sum(v4 ? write_ipv4(l3, key, fields) : write_ipv6(l3, key, fields));
  packet.headers.l3 = EthernetHeader::kSize;
  packet.headers.l4 = static_cast<uint16_t>(l4);
  packet.headers.end = packet.length;
  packet.headers.family = v4 ? 4 : 6;
  packet.headers.ether_type = v4 ? kEtherTypeIpv4 : kEtherTypeIpv6;
  packet.headers.protocol = key.protocol;
  packet.headers.has_key = true;
  packet.offload.needs_checksum = true;
  packet.offload.checksum_start = static_cast<uint16_t>(l4);
  packet.offload.checksum_offset = tcp ? TcpHeader::kChecksumOffset : UdpHeader::kChecksumOffset;
  return packet;
}

Packet& SegmentFrames::write(const FlowKey& key, const OutgoingSegment& segment) {
  const size_t l4_size = segment.header_length + segment.payload_length;
  uint16_t sum;
  Packet& packet = start(key, segment.tos, l4_size, sum);
  uint8_t* at = packet.at(packet.headers.l4);
  std::memcpy(at, segment.header, segment.header_length);
  TcpHeader tcp(at);
  tcp.set_src_port(packet.key.src_port);
  tcp.set_dst_port(packet.key.dst_port);
  tcp.set_checksum(sum);
  at += segment.header_length;
  for (const ConstByteSpan piece : segment.payload) {
    std::memcpy(at, piece.data(), piece.size());
    at += piece.size();
  }
  packet.headers.payload = static_cast<uint16_t>(packet.headers.l4 + segment.header_length);
  packet.headers.tcp_flags = tcp.flags();
  packet.offload.header_length = packet.headers.payload;
  packet.offload.gso_size = segment.gso_size;
  const bool v4 = packet.headers.family == 4;
  if (segment.gso_size != 0) packet.offload.gso_type = v4 ? GsoType::tcp4 : GsoType::tcp6;
  return packet;
}

uint16_t SegmentFrames::largest_datagram(bool v4, uint16_t mtu) {
  return static_cast<uint16_t>(mtu - ip_header(v4) - UdpHeader::kSize);
}

void SegmentFrames::send_datagram(LegIndex leg, NextHop next_hop, ConstByteSpan datagram) {
  const bool v4 = (flows_.table().leg(leg).flags & LegFlags::kIpv6) == 0;
  const size_t size = UdpHeader::kSize + datagram.size();
  const bool fits =
      v4 ? size <= kMostOverIpv4
         : size <= kMostOverIpv6 &&
               datagram.size() <= largest_datagram(false, stack_.next_hop(next_hop).mtu);
  if (!fits) return counters_.raise(Counter::originated_lost);
  if (used_ == kFrames) flush();
  uint16_t sum;
  Packet& packet = start(flows_.table().key_of(leg).reversed(), 0, size, sum);
  UdpHeader udp(packet.at(packet.headers.l4));
  udp.set_src_port(packet.key.src_port);
  udp.set_dst_port(packet.key.dst_port);
  udp.set_length(static_cast<uint16_t>(size));
  udp.set_checksum(sum);
  packet.headers.payload = static_cast<uint16_t>(packet.headers.l4 + UdpHeader::kSize);
  packet.offload.header_length = packet.headers.payload;
  std::memcpy(packet.at(packet.headers.payload), datagram.data(), datagram.size());
  leave(next_hop, packet);
}

// What finds no next hop is lost, as on any path; a connection sends it again.
void SegmentFrames::leave(NextHop next_hop, Packet& packet) {
  const NextHopView& hop = stack_.next_hop(next_hop);
  DropReason why;
  if (hop.resolved) {
    hop.write_addresses(packet.data);
    bridge_ == nullptr ? transmitter_.queue(now_, hop.port, packet)
                       : bridge_->forward(now_, packet);
  } else if (!stack_.hold(now_, next_hop, packet, why)) {
    counters_.raise(Counter::originated_lost);
  }
}

}  // namespace sluice
