#include "segment/segment_frames.h"

#include <algorithm>
#include <cstring>

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

namespace sluice {

namespace {

constexpr uint8_t kHopLimit = 64;  // RFC 9293 3.9.2

// Path MTU discovery wants no fragments (RFC 1191 3); what is never one needs no identification
// (RFC 6864 4.1).
uint64_t write_ipv4(uint8_t* at, const FlowKey& key, uint8_t tos, size_t l4_size) {
  Ipv4Header ip = Ipv4Header::start(at);
  at[1] = tos;
  ip.set_total_length(static_cast<uint16_t>(Ipv4Header::kSize + l4_size));
  ip.set_id(0);
  ip.set_fragment(Ipv4Header::kDontFragment);
  ip.set_ttl(kHopLimit);
  ip.set_protocol(kProtocolTcp);
  ip.set_src(key.src.v4());
  ip.set_dst(key.dst.v4());
  ip.complete_checksum();
  return pseudo_header_sum_v4(key.src.bytes.data() + 12, key.dst.bytes.data() + 12, kProtocolTcp,
                              static_cast<uint32_t>(l4_size));
}

uint64_t write_ipv6(uint8_t* at, const FlowKey& key, uint8_t tos, size_t l4_size) {
  Ipv6Header ip = Ipv6Header::start(at);
  store_be16(at, static_cast<uint16_t>(0x6000 | tos << 4));
  ip.set_payload_length(static_cast<uint16_t>(l4_size));
  ip.set_next_header(kProtocolTcp);
  ip.set_hop_limit(kHopLimit);
  ip.set_src(key.src);
  ip.set_dst(key.dst);
  return pseudo_header_sum_v6(key.src.bytes.data(), key.dst.bytes.data(), kProtocolTcp,
                              static_cast<uint32_t>(l4_size));
}

Headers headers_of(const Packet& packet, const FlowKey& key, size_t l4, uint8_t tcp_flags,
                   size_t header_length) {
  Headers headers;
  headers.l3 = EthernetHeader::kSize;
  headers.l4 = static_cast<uint16_t>(l4);
  headers.payload = static_cast<uint16_t>(l4 + header_length);
  headers.end = packet.length;
  headers.family = key.src.is_v4() ? 4 : 6;
  headers.ether_type = key.src.is_v4() ? kEtherTypeIpv4 : kEtherTypeIpv6;
  headers.protocol = kProtocolTcp;
  headers.tcp_flags = tcp_flags;
  headers.has_key = true;
  return headers;
}

}  // namespace

SegmentFrames::SegmentFrames(Flows& flows, Stack& stack, Transmitter& transmitter, Bridge* bridge,
                             Counters& counters)
    : flows_(flows),
      stack_(stack),
      transmitter_(transmitter),
      bridge_(bridge),
      counters_(counters),
      bytes_(kFrames * kFrame) {}

void SegmentFrames::send(LegIndex leg, const OutgoingSegment& segment) {
  if (used_ == kFrames) flush();
  leave(flows_.table().leg(leg).next_hop, write(leg, segment));
}

Packet& SegmentFrames::write(LegIndex leg, const OutgoingSegment& segment) {
  const FlowKey key = flows_.table().key_of(leg).reversed();
  const bool v4 = key.src.is_v4();
  const size_t l4 = EthernetHeader::kSize + (v4 ? Ipv4Header::kSize : Ipv6Header::kSize);
  const size_t l4_size = segment.header_length + segment.payload_length;
  Packet& packet = packets_[used_] = Packet{};
  packet.data = bytes_.data() + used_ * kFrame + kHeadroom;
  packet.length = static_cast<uint32_t>(l4 + l4_size);
  packet.origin = PacketOrigin::own;
  packet.key = key;
  ++used_;
  EthernetHeader(packet.data).set_ether_type(v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  uint8_t* l3 = packet.at(EthernetHeader::kSize);
  const uint64_t sum =
      v4 ? write_ipv4(l3, key, segment.tos, l4_size) : write_ipv6(l3, key, segment.tos, l4_size);
  uint8_t* at = packet.at(l4);
  std::memcpy(at, segment.header, segment.header_length);
  TcpHeader tcp(at);
  tcp.set_src_port(key.src_port);
  tcp.set_dst_port(key.dst_port);
  tcp.set_checksum(fold_sum(sum));
  at += segment.header_length;
  for (const ConstByteSpan piece : segment.payload) {
    std::memcpy(at, piece.data(), piece.size());
    at += piece.size();
  }
  packet.headers = headers_of(packet, key, l4, tcp.flags(), segment.header_length);
  packet.offload.needs_checksum = true;
  packet.offload.checksum_start = static_cast<uint16_t>(l4);
  packet.offload.checksum_offset = TcpHeader::kChecksumOffset;
  packet.offload.header_length = packet.headers.payload;
  packet.offload.gso_size = segment.gso_size;
  if (segment.gso_size != 0) packet.offload.gso_type = v4 ? GsoType::tcp4 : GsoType::tcp6;
  return packet;
}

// What finds no next hop is lost, as on any path; the connection sends it again.
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
