#include "rewrite/rewrite.h"

#include "packet/parse.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp_options.h"
#include "wire/udp.h"

namespace sluice {

namespace {

constexpr uint16_t kAddresses = kRewriteSrcAddress | kRewriteDstAddress;
constexpr uint16_t kPorts = kRewriteSrcPort | kRewriteDstPort;

void apply_macs(const Rewrite& rewrite, Packet& packet) {
  EthernetHeader ethernet(packet.data);
  if (rewrite.has(kRewriteSrcMac)) ethernet.set_src(rewrite.src_mac);
  if (rewrite.has(kRewriteDstMac)) ethernet.set_dst(rewrite.dst_mac);
}

uint8_t moved_ttl(uint8_t ttl, int8_t delta) { return static_cast<uint8_t>(ttl + delta); }

// Both IP versions answer what their address changes do to the pseudo-header of the L4 checksum.

ChecksumDelta apply_ipv4(const Rewrite& rewrite, uint16_t fields, uint8_t* at) {
  Ipv4Header ip(at);
  ChecksumDelta addresses;
  if (fields & kRewriteSrcAddress) {
    addresses.replace32(ip.src(), rewrite.src.v4());
    ip.set_src(rewrite.src.v4());
  }
  if (fields & kRewriteDstAddress) {
    addresses.replace32(ip.dst(), rewrite.dst.v4());
    ip.set_dst(rewrite.dst.v4());
  }
  ChecksumDelta header = addresses;
  if (fields & kRewriteDscp) {
    header.replace16(uint16_t{ip.dscp()} << 2 & 0xfc, uint16_t{rewrite.dscp} << 2 & 0xfc);
    ip.set_dscp(rewrite.dscp);
  }
  const uint8_t ttl = moved_ttl(ip.ttl(), rewrite.ttl_delta);
  header.replace16(static_cast<uint16_t>(ip.ttl() << 8), static_cast<uint16_t>(ttl << 8));
  ip.set_ttl(ttl);
  ip.set_checksum(header.applied_to_checksum(ip.checksum()));
  return addresses;
}

ChecksumDelta apply_ipv6(const Rewrite& rewrite, uint16_t fields, uint8_t* at) {
  Ipv6Header ip(at);
  ChecksumDelta addresses;
  if (fields & kRewriteSrcAddress) {
    addresses.replace128(ip.src_bytes(), rewrite.src.bytes.data());
    ip.set_src(rewrite.src);
  }
  if (fields & kRewriteDstAddress) {
    addresses.replace128(ip.dst_bytes(), rewrite.dst.bytes.data());
    ip.set_dst(rewrite.dst);
  }
  if (fields & kRewriteDscp) ip.set_dscp(rewrite.dscp);
  ip.set_hop_limit(moved_ttl(ip.hop_limit(), rewrite.ttl_delta));
  return addresses;
}

// TCP and UDP have their ports at the same place.
void apply_ports(const Rewrite& rewrite, uint8_t* at, ChecksumDelta& delta) {
  UdpHeader ports(at);
  if (rewrite.has(kRewriteSrcPort)) {
    delta.replace16(ports.src_port(), rewrite.src_port);
    ports.set_src_port(rewrite.src_port);
  }
  if (rewrite.has(kRewriteDstPort)) {
    delta.replace16(ports.dst_port(), rewrite.dst_port);
    ports.set_dst_port(rewrite.dst_port);
  }
}

// A partial checksum is a sum over the pseudo-header: of all changes it knows only the addresses,
// whoever completes it covers the rest (TCPX-32).
uint16_t updated_checksum(const Packet& packet, uint16_t field, const ChecksumDelta& addresses,
                          ChecksumDelta l4) {
  if (checksum_is_partial(packet)) return addresses.applied_to_sum(field);
  l4.add(addresses);
  return l4.applied_to_checksum(field);
}

void apply_tcp(const Rewrite& rewrite, Packet& packet, const ChecksumDelta& addresses) {
  TcpHeader tcp(packet.at(packet.headers.l4));
  ChecksumDelta l4;
  apply_ports(rewrite, packet.at(packet.headers.l4), l4);
  if (rewrite.has(kRewriteTcp)) apply_tcp_offsets(rewrite.tcp, tcp, l4);
  tcp.set_checksum(updated_checksum(packet, tcp.checksum(), addresses, l4));
}

void apply_udp(const Rewrite& rewrite, Packet& packet, const ChecksumDelta& addresses) {
  UdpHeader udp(packet.at(packet.headers.l4));
  ChecksumDelta l4;
  apply_ports(rewrite, packet.at(packet.headers.l4), l4);
  // RFC 768: 0 says that there is no checksum, and a computed 0 is sent as FFFF (TCPX-31).
  if (udp.checksum() == 0 && !checksum_is_partial(packet)) return;
  const uint16_t checksum = updated_checksum(packet, udp.checksum(), addresses, l4);
  udp.set_checksum(checksum == 0 ? 0xffff : checksum);
}

// An echo has the port of whoever asks as its identifier (packet/key_ports.h).
void apply_icmp(const Rewrite& rewrite, Packet& packet, const ChecksumDelta& addresses) {
  IcmpHeader icmp(packet.at(packet.headers.l4));
  ChecksumDelta l4;
  const bool asks = packet.headers.echo_request;
  if (packet.headers.has_key && rewrite.has(asks ? kRewriteSrcPort : kRewriteDstPort)) {
    const L4Port identifier = asks ? rewrite.src_port : rewrite.dst_port;
    l4.replace16(icmp.identifier(), identifier);
    icmp.set_identifier(identifier);
  }
  icmp.set_checksum(updated_checksum(packet, icmp.checksum(), addresses, l4));
}

void apply_l4(const Rewrite& rewrite, Packet& packet, const ChecksumDelta& addresses) {
  switch (packet.headers.protocol) {
    case kProtocolTcp: return apply_tcp(rewrite, packet, addresses);
    case kProtocolUdp: return apply_udp(rewrite, packet, addresses);
    // The ICMP of IPv4 has no pseudo-header. Either over the other IP version is no protocol.
    case kProtocolIcmp:
      if (packet.headers.family == 4) apply_icmp(rewrite, packet, {});
      return;
    case kProtocolIcmpv6:
      if (packet.headers.family == 6) apply_icmp(rewrite, packet, addresses);
      return;
    default: return;  // nothing behind the addresses is known to depend on them
  }
}

}  // namespace

void apply(const Rewrite& rewrite, Packet& packet) {
  const Headers& headers = packet.headers;
  apply_macs(rewrite, packet);
  if (headers.family == 0) return;
  const uint16_t fields = rewrite.fields;
  uint8_t* ip = packet.at(headers.l3);
  const ChecksumDelta addresses =
      headers.family == 4 ? apply_ipv4(rewrite, fields, ip) : apply_ipv6(rewrite, fields, ip);
  if (!headers.headless && (fields & (kAddresses | kPorts | kRewriteTcp)) != 0) {
    apply_l4(rewrite, packet, addresses);
  }
}

Rewrite reply_of(const Rewrite& rewrite, const FlowKey& original) {
  Rewrite reply;
  if (rewrite.has(kRewriteDstAddress)) reply.fields |= kRewriteSrcAddress;
  if (rewrite.has(kRewriteSrcAddress)) reply.fields |= kRewriteDstAddress;
  if (rewrite.has(kRewriteDstPort)) reply.fields |= kRewriteSrcPort;
  if (rewrite.has(kRewriteSrcPort)) reply.fields |= kRewriteDstPort;
  reply.fields |= rewrite.fields & (kRewriteDscp | kRewriteTcp);
  reply.ttl_delta = rewrite.ttl_delta;
  reply.dscp = original.dscp;
  reply.src = original.dst;
  reply.dst = original.src;
  reply.src_port = original.dst_port;
  reply.dst_port = original.src_port;
  reply.tcp = mirrored(rewrite.tcp);
  return reply;
}

Rewrite undo_of(const Rewrite& rewrite, const Packet& before) {
  const EthernetHeader ethernet(before.data);
  Rewrite undo;
  undo.fields = rewrite.fields;
  undo.ttl_delta = static_cast<int8_t>(-rewrite.ttl_delta);
  undo.dscp = before.key.dscp;
  undo.src = before.key.src;
  undo.dst = before.key.dst;
  undo.src_port = before.key.src_port;
  undo.dst_port = before.key.dst_port;
  undo.src_mac = ethernet.src();
  undo.dst_mac = ethernet.dst();
  undo.tcp = negated(rewrite.tcp);
  return undo;
}

void clamp_mss(Packet& packet, uint16_t mss) {
  TcpHeader tcp(packet.at(packet.headers.l4));
  if (!tcp.has(kTcpSyn)) return;
  for (TcpOptionWalk walk(tcp); walk.next();) {
    const TcpOption option = walk.option();
    if (!option.is_mss() || option.mss() <= mss) continue;
    uint8_t* field = option.at() + 2;
    const auto place = static_cast<size_t>(field - packet.at(packet.headers.l4));
    ChecksumDelta delta;
    delta.replace16_at(place, option.mss(), mss);
    store_be16(field, mss);
    tcp.set_checksum(updated_checksum(packet, tcp.checksum(), {}, delta));
  }
}

}  // namespace sluice
