#include "stack/echo.h"

#include "packet/l4_checksum.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace sluice {

namespace {

constexpr uint8_t kTtl = 64;  // RFC 1122 3.2.1.7, of packets that the engine itself originates

// Both write a header without options or extension headers directly before the message, where the
// request's header ended. What they keep of the request they have read first.

uint8_t* write_ipv4_reply(const Packet& request) {
  const Ipv4Header ip(request.at(request.headers.l3));
  const uint8_t dscp = ip.dscp();
  const uint16_t id = ip.id();
  const uint16_t fragment = ip.dont_fragment() ? Ipv4Header::kDontFragment : 0;
  uint8_t* at = request.at(request.headers.l4) - Ipv4Header::kSize;
  Ipv4Header reply = Ipv4Header::start(at);
  reply.set_dscp(dscp);
  reply.set_total_length(
      static_cast<uint16_t>(Ipv4Header::kSize + request.headers.end - request.headers.l4));
  reply.set_id(id);
  reply.set_fragment(fragment);
  reply.set_ttl(kTtl);
  reply.set_protocol(kProtocolIcmp);
  reply.set_src(request.key.dst.v4());
  reply.set_dst(request.key.src.v4());
  reply.complete_checksum();
  return at;
}

uint8_t* write_ipv6_reply(const Packet& request) {
  uint8_t* at = request.at(request.headers.l4) - Ipv6Header::kSize;
  Ipv6Header reply = Ipv6Header::start(at);
  reply.set_dscp(request.key.dscp);
  reply.set_payload_length(static_cast<uint16_t>(request.headers.end - request.headers.l4));
  reply.set_next_header(kProtocolIcmpv6);
  reply.set_hop_limit(kTtl);
  reply.set_src(request.key.dst);
  reply.set_dst(request.key.src);
  return at;
}

}  // namespace

bool is_echo_request(const Packet& packet) {
  const Headers& headers = packet.headers;
  if (headers.fragment) return false;
  const IcmpHeader icmp(packet.at(headers.l4));
  return (headers.family == 4 && headers.protocol == kProtocolIcmp &&
          icmp.type() == kIcmpEchoRequest) ||
         (headers.family == 6 && headers.protocol == kProtocolIcmpv6 &&
          icmp.type() == kIcmpv6EchoRequest);
}

void answer_echo(const Link& link, Packet& packet, FrameSink& sink) {
  const EthernetHeader ethernet(packet.data);
  const MacAddress requester = ethernet.src();
  // RFC 1122 3.3.6: a unicast packet in a broadcast frame is nobody's.
  if (ethernet.dst().is_multicast() || requester.is_multicast()) {
    return packet.drop(DropReason::multicast);
  }
  if (packet.key.src.is_zero()) return packet.drop(DropReason::ip_martian);
  if (!l4_checksum_is_right(packet)) return packet.drop(DropReason::l4_checksum);
  packet.verdict = Verdict::deliver;

  const bool is_v4 = packet.headers.family == 4;
  uint8_t* message = packet.at(packet.headers.l4);
  const size_t size = packet.headers.end - packet.headers.l4;
  uint8_t* ip = is_v4 ? write_ipv4_reply(packet) : write_ipv6_reply(packet);
  IcmpHeader(message).set_type(is_v4 ? kIcmpEchoReply : kIcmpv6EchoReply);
  if (is_v4) {
    complete_icmp_checksum(message, size);
  } else {
    const Ipv6Header header(ip);
    complete_icmpv6_checksum(header.src_bytes(), header.dst_bytes(), message, size);
  }
  Packet reply;
  reply.data = ip - EthernetHeader::kSize;
  reply.length = static_cast<uint32_t>(message + size - reply.data);
  EthernetHeader header(reply.data);
  header.set_dst(requester);
  header.set_src(link.mac);
  header.set_ether_type(is_v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  sink.originate(packet.in_port, reply);
}

}  // namespace sluice
