// Between frames and native/tcp: what the engine's segment does around a connection, on real bytes.
#pragma once

#include <cstring>
#include <vector>

#include "base/check.h"
#include "packet/l4_checksum.h"
#include "packet/parse.h"
#include "support/frame.h"
#include "tcp/segment_sink.h"
#include "tcp/tcp_segment.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

namespace sluice::test {

inline std::vector<uint8_t> ethernet_and_ip(const FlowKey& key, uint8_t tos, size_t l4_size) {
  const bool v4 = key.src.is_v4();
  std::vector<uint8_t> bytes(EthernetHeader::kSize + (v4 ? Ipv4Header::kSize : Ipv6Header::kSize));
  EthernetHeader ethernet(bytes.data());
  ethernet.set_src(kMacA);
  ethernet.set_dst(kMacB);
  ethernet.set_ether_type(v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  uint8_t* at = bytes.data() + EthernetHeader::kSize;
  if (!v4) {
    Ipv6Header ip = Ipv6Header::start(at);
    store_be16(at, static_cast<uint16_t>(0x6000 | tos << 4));
    ip.set_payload_length(static_cast<uint16_t>(l4_size));
    ip.set_next_header(kProtocolTcp);
    ip.set_hop_limit(64);
    ip.set_src(key.src);
    ip.set_dst(key.dst);
    return bytes;
  }
  Ipv4Header ip = Ipv4Header::start(at);
  at[1] = tos;
  ip.set_total_length(static_cast<uint16_t>(Ipv4Header::kSize + l4_size));
  ip.set_fragment(Ipv4Header::kDontFragment);
  ip.set_ttl(64);
  ip.set_protocol(kProtocolTcp);
  ip.set_src(key.src.v4());
  ip.set_dst(key.dst.v4());
  ip.complete_checksum();
  return bytes;
}

inline uint64_t tcp_pseudo_sum(const FlowKey& key, size_t size) {
  const auto length = static_cast<uint32_t>(size);
  if (!key.src.is_v4()) {
    return pseudo_header_sum_v6(key.src.bytes.data(), key.dst.bytes.data(), kProtocolTcp, length);
  }
  return pseudo_header_sum_v4(key.src.bytes.data() + 12, key.dst.bytes.data() + 12, kProtocolTcp,
                              length);
}

// A frame from `key.src` to `key.dst` with this segment in it. A super-packet leaves its checksum
// open, as to a port that cuts it.
inline Frame tcp_frame(const FlowKey& key, const OutgoingSegment& segment) {
  std::vector<uint8_t> bytes =
      ethernet_and_ip(key, segment.tos, segment.header_length + segment.payload_length);
  const size_t l4 = bytes.size();
  bytes.insert(bytes.end(), segment.header, segment.header + segment.header_length);
  for (const ConstByteSpan piece : segment.payload) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
  }
  const size_t size = bytes.size() - l4;
  SLUICE_CHECK(size == segment.header_length + segment.payload_length);
  TcpHeader tcp(bytes.data() + l4);
  tcp.set_src_port(key.src_port);
  tcp.set_dst_port(key.dst_port);
  const uint64_t sum = tcp_pseudo_sum(key, size);
  Offload offload;
  if (segment.gso_size == 0) {
    tcp.set_checksum(finish_checksum(sum + sum_bytes(bytes.data() + l4, size)));
  } else {
    tcp.set_checksum(fold_sum(sum));
    offload.needs_checksum = true;
    offload.checksum_start = static_cast<uint16_t>(l4);
    offload.checksum_offset = TcpHeader::kChecksumOffset;
    offload.gso_size = segment.gso_size;
    offload.gso_type = key.src.is_v4() ? GsoType::tcp4 : GsoType::tcp6;
    offload.header_length = static_cast<uint16_t>(l4 + segment.header_length);
  }
  return Frame(bytes, offload);
}

// A checksum that is left open holds the sum of the pseudo-header.
inline bool tcp_checksum_is_right(const Packet& packet) {
  if (!checksum_is_partial(packet)) return l4_checksum_is_right(packet);
  const uint64_t sum = tcp_pseudo_sum(packet.key, packet.headers.end - packet.headers.l4);
  return TcpHeader(packet.at(packet.headers.l4)).checksum() == fold_sum(sum);
}

// Whether a packet that has arrived is a whole TCP segment with a right checksum; parsed then.
inline bool take_tcp(Packet& packet) {
  parse(packet);
  return packet.verdict == Verdict::none && packet.headers.protocol == kProtocolTcp &&
         packet.headers.has_key && !packet.headers.fragment && tcp_checksum_is_right(packet);
}

}  // namespace sluice::test
