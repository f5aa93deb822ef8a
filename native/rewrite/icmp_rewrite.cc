#include "rewrite/icmp_rewrite.h"

#include "packet/key_ports.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace sluice {

namespace {

// Both answer what the change does to the pseudo-header of an L4 checksum.

ChecksumDelta set_ipv4(uint8_t* at, const IpAddress& src, const IpAddress& dst) {
  Ipv4Header ip(at);
  ChecksumDelta delta;
  delta.replace32(ip.src(), src.v4());
  delta.replace32(ip.dst(), dst.v4());
  ip.set_src(src.v4());
  ip.set_dst(dst.v4());
  ip.set_checksum(delta.applied_to_checksum(ip.checksum()));
  return delta;
}

ChecksumDelta set_ipv6(uint8_t* at, const IpAddress& src, const IpAddress& dst) {
  Ipv6Header ip(at);
  ChecksumDelta delta;
  delta.replace128(ip.src_bytes(), src.bytes.data());
  delta.replace128(ip.dst_bytes(), dst.bytes.data());
  ip.set_src(src);
  ip.set_dst(dst);
  return delta;
}

ChecksumDelta set_addresses(bool v4, uint8_t* at, const IpAddress& src, const IpAddress& dst) {
  return v4 ? set_ipv4(at, src, dst) : set_ipv6(at, src, dst);
}

void add32(uint8_t* at, uint32_t offset, ChecksumDelta& delta) {
  const uint32_t before = load_be32(at);
  store_be32(at, before + offset);
  delta.replace32(before, before + offset);
}

// `size` bytes of a TCP header are there, at least 8. What is missing of it needs no change.
void restore_tcp(const TcpOffsets& added, uint8_t* at, size_t size, ChecksumDelta& delta) {
  const TcpOffsets taken = negated(added);
  const TcpHeader tcp(at);
  if (TcpHeader::check(at, size)) return apply_tcp_offsets(taken, tcp, delta);
  add32(at + 4, taken.seq, delta);
  if (size >= 14 && tcp.has(kTcpAck)) add32(at + 8, taken.ack, delta);
}

void restore_ports(const FlowKey& quoted, uint8_t* at, ChecksumDelta& delta) {
  UdpHeader ports(at);  // TCP has them at the same place
  delta.replace16(ports.src_port(), quoted.src_port);
  delta.replace16(ports.dst_port(), quoted.dst_port);
  ports.set_src_port(quoted.src_port);
  ports.set_dst_port(quoted.dst_port);
}

void restore_udp(const IcmpRewrite& rewrite, uint8_t* at, ChecksumDelta delta) {
  restore_ports(rewrite.quoted, at, delta);
  UdpHeader udp(at);
  if (udp.checksum() == 0) return;
  const uint16_t checksum = delta.applied_to_checksum(udp.checksum());
  udp.set_checksum(checksum == 0 ? 0xffff : checksum);
}

void restore_echo(const FlowKey& quoted, uint8_t* at, ChecksumDelta delta) {
  IcmpHeader icmp(at);
  const bool asked = is_echo_request(quoted.src.is_v4(), icmp.type());
  const L4Port identifier = asked ? quoted.src_port : quoted.dst_port;
  delta.replace16(icmp.identifier(), identifier);
  icmp.set_identifier(identifier);
  icmp.set_checksum(delta.applied_to_checksum(icmp.checksum()));
}

void restore_l4(const IcmpRewrite& rewrite, const IcmpQuote& quote, ChecksumDelta delta,
                Packet& error) {
  uint8_t* at = error.at(quote.l4);
  const size_t size = quote.end - quote.l4;
  switch (quote.key.protocol) {
    case kProtocolUdp: return restore_udp(rewrite, at, delta);
    case kProtocolIcmp: return restore_echo(rewrite.quoted, at, {});
    case kProtocolIcmpv6: return restore_echo(rewrite.quoted, at, delta);
    case kProtocolTcp: break;
    default: return;
  }
  restore_ports(rewrite.quoted, at, delta);
  restore_tcp(rewrite.added, at, size, delta);
  TcpHeader tcp(at);
  if (size >= TcpHeader::kChecksumOffset + 2) {
    tcp.set_checksum(delta.applied_to_checksum(tcp.checksum()));
  }
}

}  // namespace

void apply(const IcmpRewrite& rewrite, const IcmpQuote& quote, Packet& error) {
  const Headers& headers = error.headers;
  const bool v4 = headers.family == 4;
  const ChecksumDelta addresses =
      set_addresses(v4, error.at(quote.l3), rewrite.quoted.src, rewrite.quoted.dst);
  if (quote.has_key) restore_l4(rewrite, quote, addresses, error);
  uint8_t* ip = error.at(headers.l3);
  set_addresses(v4, ip, rewrite.src, rewrite.dst);
  uint8_t* message = error.at(headers.l4);
  const size_t size = headers.end - headers.l4;
  if (v4) {
    complete_icmp_checksum(message, size);
  } else {
    const Ipv6Header header(ip);
    complete_icmpv6_checksum(header.src_bytes(), header.dst_bytes(), message, size);
  }
  error.offload = Offload{};
}

}  // namespace sluice
