#include "segment/reset_reply.h"

#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

namespace sluice {

namespace {

constexpr uint8_t kHopLimit = 64;

// RFC 9293 3.10.7.1: the RST takes its sequence number from the acknowledgement; without one it is
// zero, and the RST acknowledges what came.
void write_tcp(TcpHeader reset, const Packet& refused) {
  const TcpHeader tcp(refused.at(refused.headers.l4));
  reset.set_src_port(tcp.dst_port());
  reset.set_dst_port(tcp.src_port());
  if (tcp.has(kTcpAck)) {
    reset.set_seq(tcp.ack());
    reset.set_flags(kTcpRst);
    return;
  }
  const uint32_t length =
      refused.headers.end - refused.headers.payload + tcp.has(kTcpSyn) + tcp.has(kTcpFin);
  reset.set_ack(tcp.seq() + length);
  reset.set_flags(kTcpRst | kTcpAck);
}

}  // namespace

bool send_reset(const Packet& refused, FrameSink& sink) {
  const Headers& headers = refused.headers;
  const bool can = headers.protocol == kProtocolTcp && !headers.headless;
  if (!can || (headers.tcp_flags & kTcpRst)) return false;
  uint8_t buffer[kHeadroom + 22 + Ipv6Header::kSize + TcpHeader::kSize];
  Packet reply;
  reply.data = buffer + kHeadroom;
  std::memcpy(reply.data, refused.data, headers.l3);  // with its VLAN tags
  EthernetHeader ethernet(reply.data);
  ethernet.set_dst(EthernetHeader(refused.data).src());
  ethernet.set_src(EthernetHeader(refused.data).dst());
  uint8_t* l3 = reply.at(headers.l3);
  uint8_t* l4 = l3 + (headers.family == 4 ? Ipv4Header::kSize : Ipv6Header::kSize);
  TcpHeader tcp = TcpHeader::start(l4, TcpHeader::kSize);
  write_tcp(tcp, refused);
  uint64_t sum = 0;
  if (headers.family == 4) {
    Ipv4Header ip = Ipv4Header::start(l3);
    ip.set_total_length(Ipv4Header::kSize + TcpHeader::kSize);
    ip.set_fragment(Ipv4Header::kDontFragment);
    ip.set_ttl(kHopLimit);
    ip.set_protocol(kProtocolTcp);
    ip.set_src(refused.key.dst.v4());
    ip.set_dst(refused.key.src.v4());
    ip.complete_checksum();
    sum = pseudo_header_sum_v4(l3 + 12, l3 + 16, kProtocolTcp, TcpHeader::kSize);
  } else {
    Ipv6Header ip = Ipv6Header::start(l3);
    ip.set_payload_length(TcpHeader::kSize);
    ip.set_next_header(kProtocolTcp);
    ip.set_hop_limit(kHopLimit);
    ip.set_src(refused.key.dst);
    ip.set_dst(refused.key.src);
    sum = pseudo_header_sum_v6(ip.src_bytes(), ip.dst_bytes(), kProtocolTcp, TcpHeader::kSize);
  }
  tcp.set_checksum(finish_checksum(sum + sum_bytes(l4, TcpHeader::kSize)));
  reply.length = static_cast<uint32_t>(l4 + TcpHeader::kSize - reply.data);
  sink.originate(refused.in_port, reply);
  return true;
}

}  // namespace sluice
