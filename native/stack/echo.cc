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
// request's header ended, but for the fragment header. What they keep of the request they have read
// first.

uint8_t* write_ipv4_reply(const Packet& request) {
  const Ipv4Header ip(request.at(request.headers.l3));
  const uint8_t dscp = ip.dscp();
  const uint16_t id = ip.id();
  const uint16_t fragment = ip.fragment();
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
  const Headers& headers = request.headers;
  const size_t payload = headers.fragment ? headers.fragment_header : headers.l4;
  uint8_t* at = request.at(payload) - Ipv6Header::kSize;
  Ipv6Header reply = Ipv6Header::start(at);
  reply.set_dscp(request.key.dscp);
  reply.set_payload_length(static_cast<uint16_t>(headers.end - payload));
  reply.set_next_header(headers.fragment ? kIpv6Fragment : kProtocolIcmpv6);
  reply.set_hop_limit(kTtl);
  reply.set_src(request.key.dst);
  reply.set_dst(request.key.src);
  return at;
}

// Of the whole message; a fragment has only its part of what the sum covers.
void complete_reply(const Packet& request, uint8_t* ip) {
  uint8_t* message = request.at(request.headers.l4);
  const size_t size = request.headers.end - request.headers.l4;
  if (request.headers.family == 4) return complete_icmp_checksum(message, size);
  const Ipv6Header header(ip);
  complete_icmpv6_checksum(header.src_bytes(), header.dst_bytes(), message, size);
}

// The addresses change places, which no sum minds.
void turn_into_reply(const Packet& request, uint8_t* ip) {
  IcmpHeader icmp(request.at(request.headers.l4));
  const uint8_t asked = icmp.type();
  const uint8_t answers = request.headers.family == 4 ? kIcmpEchoReply : kIcmpv6EchoReply;
  icmp.set_type(answers);
  if (!request.headers.fragment) return complete_reply(request, ip);
  ChecksumDelta delta;
  delta.replace16(static_cast<uint16_t>(asked << 8), static_cast<uint16_t>(answers << 8));
  icmp.set_checksum(delta.applied_to_checksum(icmp.checksum()));
}

// What stands between the fragment header and the message has its part in the offsets of those
// behind the first.
bool begins_with_message(const Headers& headers) {
  return headers.family == 4 || headers.l4 == headers.fragment_header + kIpv6FragmentHeader;
}

}  // namespace

void answer_echo(const Link& link, Packet& packet, FrameSink& sink) {
  const EthernetHeader ethernet(packet.data);
  const MacAddress requester = ethernet.src();
  // RFC 1122 3.3.6: a unicast packet in a broadcast frame is nobody's.
  if (ethernet.dst().is_multicast() || requester.is_multicast()) {
    return packet.drop(DropReason::multicast);
  }
  if (packet.key.src.is_zero()) return packet.drop(DropReason::ip_martian);
  if (packet.headers.fragment && !begins_with_message(packet.headers)) {
    return packet.drop(DropReason::ip_fragment);
  }
  if (!l4_checksum_is_right(packet)) return packet.drop(DropReason::l4_checksum);
  packet.verdict = Verdict::deliver;

  const bool is_v4 = packet.headers.family == 4;
  uint8_t* ip = is_v4 ? write_ipv4_reply(packet) : write_ipv6_reply(packet);
  if (!packet.headers.headless) turn_into_reply(packet, ip);
  Packet reply;
  reply.data = ip - EthernetHeader::kSize;
  reply.length = static_cast<uint32_t>(packet.at(packet.headers.end) - reply.data);
  EthernetHeader header(reply.data);
  header.set_dst(requester);
  header.set_src(link.mac);
  header.set_ether_type(is_v4 ? kEtherTypeIpv4 : kEtherTypeIpv6);
  sink.originate(packet.in_port, reply);
}

}  // namespace sluice
