#include "packet/l4_checksum.h"

#include <cstring>

#include "base/check.h"
#include "wire/checksum.h"
#include "wire/crc32c.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace sluice {

namespace {

uint64_t pseudo_header_sum(const Packet& packet, uint32_t l4_length) {
  const uint8_t* ip = packet.at(packet.headers.l3);
  const uint8_t protocol = packet.headers.protocol;
  if (packet.headers.family == 6) return pseudo_header_sum_v6(ip + 8, ip + 24, protocol, l4_length);
  if (protocol == kProtocolIcmp) return 0;
  return pseudo_header_sum_v4(ip + 12, ip + 16, protocol, l4_length);
}

}  // namespace

bool l4_checksum_is_right(const Packet& packet) {
  const Headers& headers = packet.headers;
  if (packet.offload.checksum_verified || packet.offload.needs_checksum) return true;
  if (headers.family == 0 || headers.fragment) return true;
  uint32_t length = headers.end - headers.l4;
  if (headers.protocol == kProtocolUdp) {
    const UdpHeader udp(packet.at(headers.l4));
    if (udp.checksum() == 0) return true;  // RFC 768; over IPv6, parse() has dropped it
    length = udp.length();
  } else if (headers.protocol != kProtocolTcp &&
             headers.protocol != (headers.family == 4 ? kProtocolIcmp : kProtocolIcmpv6)) {
    return true;
  }
  const uint64_t sum = pseudo_header_sum(packet, length);
  return fold_sum(sum + sum_bytes(packet.at(headers.l4), length)) == 0xffff;
}

void settle_checksum(Packet& packet) {
  packet.offload.checksum_unknown = false;
  const Headers& headers = packet.headers;
  if (packet.offload.needs_checksum || headers.family == 0 || headers.fragment) return;
  const bool udp = headers.protocol == kProtocolUdp;
  if (!udp && headers.protocol != kProtocolTcp) return;
  const uint32_t length = headers.end - headers.l4;
  if (udp && UdpHeader(packet.at(headers.l4)).length() != length) return;
  const size_t offset = udp ? UdpHeader::kChecksumOffset : TcpHeader::kChecksumOffset;
  const uint16_t field = load_be16(packet.at(headers.l4 + offset));
  if (field != fold_sum(pseudo_header_sum(packet, length))) return;
  packet.offload.needs_checksum = true;
  packet.offload.checksum_start = headers.l4;
  packet.offload.checksum_offset = static_cast<uint16_t>(offset);
}

void complete_sctp_checksum(Packet& packet) {
  uint8_t* sctp = packet.at(packet.headers.l4);
  uint8_t* field = sctp + 8;
  std::memset(field, 0, 4);
  const uint32_t crc = crc32c(sctp, packet.headers.end - packet.headers.l4);
  for (int i = 0; i < 4; ++i) field[i] = static_cast<uint8_t>(crc >> 8 * i);
  packet.offload = Offload{};
}

void complete_checksum(Packet& packet) {
  SLUICE_CHECK(packet.offload.gso_type == GsoType::none);
  if (!packet.offload.needs_checksum) return;
  const size_t start = packet.offload.checksum_start;
  const size_t field = start + packet.offload.checksum_offset;
  // The field takes part in the sum: it holds that of the pseudo-header.
  uint16_t checksum = finish_checksum(sum_bytes(packet.at(start), packet.headers.end - start));
  // RFC 768: a UDP checksum of 0 would say that there is none (TCPX-31).
  if (packet.offload.checksum_offset == UdpHeader::kChecksumOffset && checksum == 0) {
    checksum = 0xffff;
  }
  store_be16(packet.at(field), checksum);
  packet.offload = Offload{};
}

void leave_tcp_checksum_open(Packet& packet) {
  const uint32_t length = packet.headers.end - packet.headers.l4;
  TcpHeader(packet.at(packet.headers.l4)).set_checksum(fold_sum(pseudo_header_sum(packet, length)));
  packet.offload.needs_checksum = true;
  packet.offload.checksum_verified = false;
  packet.offload.checksum_start = packet.headers.l4;
  packet.offload.checksum_offset = TcpHeader::kChecksumOffset;
}

void keep_urgent_pointer_within(Packet& packet) {
  const Headers& headers = packet.headers;
  TcpHeader tcp(packet.at(headers.l4));
  if (!(tcp.flags() & kTcpUrg) || tcp.urgent_pointer() <= headers.end - headers.payload) return;
  tcp.set_flags(static_cast<uint8_t>(tcp.flags() & ~kTcpUrg));
  tcp.set_urgent_pointer(0);
  packet.headers.tcp_flags = tcp.flags();
  leave_tcp_checksum_open(packet);
}

void keep_tcp_payload(Packet& packet, uint32_t bytes) {
  Headers& headers = packet.headers;
  TcpHeader tcp(packet.at(headers.l4));
  tcp.set_flags(static_cast<uint8_t>(tcp.flags() & ~(kTcpFin | kTcpPsh)));
  headers.tcp_flags = tcp.flags();
  headers.end = headers.payload + bytes;
  packet.length = headers.end;
  uint8_t* l3 = packet.at(headers.l3);
  const uint32_t ip_length = headers.end - headers.l3;
  if (headers.family == 4) {
    Ipv4Header ip(l3);
    ip.set_total_length(static_cast<uint16_t>(ip_length));
    ip.complete_checksum();
  } else {
    Ipv6Header(l3).set_payload_length(static_cast<uint16_t>(ip_length - Ipv6Header::kSize));
  }
  if (bytes <= packet.offload.gso_size) {
    packet.offload.gso_type = GsoType::none;
    packet.offload.gso_size = 0;
  }
  keep_urgent_pointer_within(packet);
  leave_tcp_checksum_open(packet);
}

}  // namespace sluice
