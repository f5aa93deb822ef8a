#include "packet/parse.h"

#include <cstring>

#include "packet/key_ports.h"
#include "packet/l4_checksum.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"
#include "wire/udp.h"

namespace sluice {

namespace {

constexpr uint32_t kMaxDatagram = 65535;

// Sources that no network delivers (RFC 1122 3.2.1.3): "this" network, loopback, multicast and the
// limited broadcast. 240/4 is in private use in places and passes.
bool is_martian_source_v4(uint32_t address) {
  const uint32_t net = address >> 24;
  return net == 0 || net == 127 || address >> 28 == 0xe || address == 0xffffffff;
}

bool is_martian_destination_v4(uint32_t address) {
  const uint32_t net = address >> 24;
  return net == 0 || net == 127;
}

bool is_multicast_v4(uint32_t address) { return address >> 28 == 0xe || address == 0xffffffff; }

// The unspecified address, loopback, IPv4-compatible and IPv4-mapped addresses (RFC 4291 2.5.2,
// 2.5.3, 2.5.5), and the discard-only prefix (RFC 6666). Mapped ones would be taken for IPv4 by
// everything that compares keys.
bool is_never_on_the_wire_v6(const uint8_t* address) {
  const uint64_t high = load_be64(address);
  if (high == 0x0100'0000'0000'0000) return true;
  const uint64_t upper_low = load_be64(address + 8) >> 32;
  return high == 0 && (upper_low == 0 || upper_low == 0xffff);
}

bool is_multicast_v6(const uint8_t* address) { return address[0] == 0xff; }

// Duplicate address detection, and nothing else, comes from the unspecified address (RFC
// 4862 5.4.2).
bool is_martian_source_v6(const uint8_t* address, uint8_t protocol) {
  if (is_multicast_v6(address)) return true;
  if (!is_never_on_the_wire_v6(address)) return false;
  return protocol != kProtocolIcmpv6 || load_be64(address + 8) != 0;
}

// The fields of a fragment that must make sense before anybody puts it together again: not empty,
// all but the last a multiple of 8 bytes (RFC 8200 4.5), and no end beyond the largest datagram.
bool fragment_is_sane(size_t offset, size_t size, bool more) {
  return size != 0 && (!more || size % 8 == 0) && offset + size <= kMaxDatagram;
}

void check_fragment(Packet& packet, size_t offset, bool more) {
  Headers& headers = packet.headers;
  headers.headless = offset != 0;
  const size_t behind_ip =
      headers.family == 4 ? headers.l4 : headers.fragment_header + kIpv6FragmentHeader;
  if (!fragment_is_sane(offset, headers.end - behind_ip, more)) {
    return packet.drop(DropReason::ip_malformed);
  }
  // RFC 1858 3.2.2, RFC 3128: it would overwrite the flags of a TCP header that ended early.
  if (headers.protocol == kProtocolTcp && offset == 8) packet.drop(DropReason::fragment_tiny);
}

// Of the first fragment: IPv6 has extension headers behind the fragment header, too.
uint16_t bytes_before_payload(const Headers& headers) {
  const auto begin = headers.family == 4
                         ? headers.l4
                         : static_cast<uint16_t>(headers.fragment_header + kIpv6FragmentHeader);
  return static_cast<uint16_t>(headers.payload - begin);
}

// RFC 9293 3.9.2.3: no TCP towards a multicast or broadcast address. Port 0 is reserved (RFC 6335
// 6), and the engine's word for "none".
void parse_tcp(Packet& packet, bool to_multicast) {
  Headers& headers = packet.headers;
  TcpHeader tcp(packet.at(headers.l4));
  if (!TcpHeader::check(packet.at(headers.l4), headers.end - headers.l4)) {
    return packet.drop(headers.fragment ? DropReason::fragment_tiny : DropReason::l4_malformed);
  }
  headers.payload = static_cast<uint16_t>(headers.l4 + tcp.header_length());
  headers.tcp_flags = tcp.flags();
  headers.has_key = true;
  if (headers.fragment) {
    headers.segment = {tcp.seq().raw(), bytes_before_payload(headers), tcp.has(kTcpFin)};
  }
  packet.key.src_port = tcp.src_port();
  packet.key.dst_port = tcp.dst_port();
  if (to_multicast) return packet.drop(DropReason::multicast);
  if (tcp.src_port() == 0 || tcp.dst_port() == 0) return packet.drop(DropReason::l4_malformed);
  if (!tcp_flags_are_sane(tcp.flags())) return packet.drop(DropReason::tcp_flags_invalid);
}

void parse_udp(Packet& packet) {
  Headers& headers = packet.headers;
  const UdpHeader udp(packet.at(headers.l4));
  // The datagram goes on behind its first fragment.
  const size_t available = headers.fragment ? kMaxDatagram : headers.end - headers.l4;
  if (headers.end - headers.l4 < UdpHeader::kSize) {
    return packet.drop(headers.fragment ? DropReason::fragment_tiny : DropReason::l4_malformed);
  }
  if (!UdpHeader::check(packet.at(headers.l4), available) || udp.dst_port() == 0) {
    return packet.drop(DropReason::l4_malformed);
  }
  headers.payload = static_cast<uint16_t>(headers.l4 + UdpHeader::kSize);
  headers.has_key = true;
  packet.key.src_port = udp.src_port();
  packet.key.dst_port = udp.dst_port();
  // RFC 8200 8.1: no UDP over IPv6 without a checksum.
  if (headers.family == 6 && udp.checksum() == 0) {
    packet.drop(DropReason::udp_checksum_missing);
  }
}

void parse_icmp(Packet& packet) {
  Headers& headers = packet.headers;
  if (!IcmpHeader::check(packet.at(headers.l4), headers.end - headers.l4)) {
    return packet.drop(headers.fragment ? DropReason::fragment_tiny : DropReason::l4_malformed);
  }
  headers.payload = static_cast<uint16_t>(headers.l4 + IcmpHeader::kSize);
  headers.has_key = read_key_ports(packet.at(headers.l4), packet.key);
  headers.echo_request =
      is_echo_request(headers.family == 4, IcmpHeader(packet.at(headers.l4)).type());
}

// RFC 9260 3.1. The checksum covers no addresses, and nobody here needs more of it than the ports;
// port 0 is nobody's.
void parse_sctp(Packet& packet) {
  constexpr size_t kCommonHeader = 12;
  Headers& headers = packet.headers;
  if (headers.end - headers.l4 < kCommonHeader) {
    return packet.drop(headers.fragment ? DropReason::fragment_tiny : DropReason::l4_malformed);
  }
  headers.payload = static_cast<uint16_t>(headers.l4 + kCommonHeader);
  headers.has_key = read_key_ports(packet.at(headers.l4), packet.key);
  if (packet.key.src_port == 0 || packet.key.dst_port == 0) {
    return packet.drop(DropReason::l4_malformed);
  }
  const Offload& offload = packet.offload;
  const bool open = offload.needs_checksum && offload.checksum_start == headers.l4;
  if (open && !headers.fragment && offload.gso_type == GsoType::none) {
    complete_sctp_checksum(packet);
  }
}

// What the two IP versions tell of their addresses to the L4 header.
struct Addresses {
  bool equal;
  bool to_multicast;
};

// Neither TCP nor UDP: whatever is unknown is all payload.
void parse_other(Packet& packet) {
  Headers& headers = packet.headers;
  if (headers.protocol == icmp_of(headers.family == 4)) return parse_icmp(packet);
  if (headers.protocol == kProtocolSctp) return parse_sctp(packet);
  headers.has_key = read_key_ports(packet.at(headers.l4), packet.key);
}

// The L4 header, by protocol.
void parse_l4(Packet& packet, Addresses addresses) {
  Headers& headers = packet.headers;
  headers.payload = headers.l4;
  if (!headers.headless) {
    if (headers.protocol == kProtocolTcp) {
      parse_tcp(packet, addresses.to_multicast);
    } else if (headers.protocol == kProtocolUdp) {
      parse_udp(packet);
    } else {
      parse_other(packet);
    }
  }
  if (!addresses.equal || packet.verdict != Verdict::none) return;
  const bool same_port = packet.key.src_port == packet.key.dst_port;
  if (same_port || !carries_ports(headers.protocol)) packet.drop(DropReason::land);
}

void parse_ipv4(Packet& packet) {
  Headers& headers = packet.headers;
  uint8_t* at = packet.at(headers.l3);
  if (!Ipv4Header::check(at, packet.length - headers.l3)) {
    return packet.drop(DropReason::ip_malformed);
  }
  const Ipv4Header ip(at);
  if (!ip.checksum_is_right()) return packet.drop(DropReason::ip_checksum);
  if (is_martian_source_v4(ip.src()) || is_martian_destination_v4(ip.dst())) {
    return packet.drop(DropReason::ip_martian);
  }
  // RFC 7126 4.3, 4.4 advises to drop source routing; other options pass (TCPX-71).
  switch (ip.inspect_options()) {
    case Ipv4Header::Options::harmless: break;
    case Ipv4Header::Options::source_route: return packet.drop(DropReason::ip_options_refused);
    case Ipv4Header::Options::malformed: return packet.drop(DropReason::ip_malformed);
  }
  headers.family = 4;
  headers.protocol = ip.protocol();
  headers.l4 = static_cast<uint16_t>(headers.l3 + ip.header_length());
  headers.end = headers.l3 + ip.total_length();
  headers.fragment = ip.is_fragment();
  packet.key.src = IpAddress::v4(ip.src());
  packet.key.dst = IpAddress::v4(ip.dst());
  packet.key.protocol = ip.protocol();
  packet.key.dscp = ip.dscp();
  if (headers.fragment) check_fragment(packet, ip.fragment_offset(), ip.more_fragments());
  if (packet.verdict != Verdict::none) return;
  parse_l4(packet, {ip.src() == ip.dst(), is_multicast_v4(ip.dst())});
}

void parse_ipv6(Packet& packet) {
  Headers& headers = packet.headers;
  uint8_t* at = packet.at(headers.l3);
  if (!Ipv6Header::check(at, packet.length - headers.l3)) {
    return packet.drop(DropReason::ip_malformed);
  }
  const Ipv6Header ip(at);
  const Ipv6Chain chain = walk_ipv6_extensions(at);
  switch (chain.fault) {
    case Ipv6Chain::Fault::none: break;
    case Ipv6Chain::Fault::malformed: return packet.drop(DropReason::ip_malformed);
    case Ipv6Chain::Fault::tiny: return packet.drop(DropReason::fragment_tiny);
    case Ipv6Chain::Fault::routing: return packet.drop(DropReason::ip_options_refused);
  }
  headers.family = 6;
  headers.protocol = chain.protocol;
  headers.l4 = static_cast<uint16_t>(headers.l3 + chain.l4);
  headers.end = static_cast<uint32_t>(headers.l3 + Ipv6Header::kSize + ip.payload_length());
  headers.fragment = chain.fragment;
  headers.fragment_header = static_cast<uint16_t>(headers.l3 + chain.fragment_header);
  packet.key.src = ip.src();
  packet.key.dst = ip.dst();
  packet.key.protocol = chain.protocol;
  packet.key.dscp = ip.dscp();
  if (is_martian_source_v6(ip.src_bytes(), chain.protocol) ||
      is_never_on_the_wire_v6(ip.dst_bytes())) {
    return packet.drop(DropReason::ip_martian);
  }
  if (headers.fragment) check_fragment(packet, chain.fragment_offset(), chain.more_fragments());
  if (packet.verdict != Verdict::none) return;
  const bool equal = std::memcmp(ip.src_bytes(), ip.dst_bytes(), 16) == 0;
  parse_l4(packet, {equal, is_multicast_v6(ip.dst_bytes())});
}

void parse_arp(Packet& packet) {
  Headers& headers = packet.headers;
  if (!ArpMessage::check(packet.at(headers.l3), packet.length - headers.l3)) {
    return packet.drop(DropReason::arp_malformed);
  }
  headers.end = headers.l3 + static_cast<uint32_t>(ArpMessage::kSize);
}

// Whether the open checksum lies where the L4 protocol has it, or else inside the payload.
bool checksum_place_is_sane(const Packet& packet) {
  const Headers& headers = packet.headers;
  const Offload& offload = packet.offload;
  const size_t field = size_t{offload.checksum_start} + offload.checksum_offset;
  if (headers.family == 0 || headers.fragment || offload.checksum_start < headers.l4 ||
      field + 2 > headers.end) {
    return false;
  }
  if (offload.checksum_start > headers.l4) return field >= headers.payload;
  switch (headers.protocol) {
    case kProtocolTcp: return offload.checksum_offset == TcpHeader::kChecksumOffset;
    case kProtocolUdp:
      // Whoever completes the sum goes on to the end of the packet, so the datagram must, too.
      return offload.checksum_offset == UdpHeader::kChecksumOffset &&
             headers.l4 + UdpHeader(packet.at(headers.l4)).length() == headers.end;
    case kProtocolIcmpv6: return offload.checksum_offset == IcmpHeader::kChecksumOffset;
    default: return true;
  }
}

bool gso_is_sane(const Packet& packet) {
  const Headers& headers = packet.headers;
  if (packet.offload.gso_size == 0 || !checksum_is_partial(packet)) return false;
  switch (packet.offload.gso_type) {
    case GsoType::none: return true;
    case GsoType::tcp4: return headers.family == 4 && headers.protocol == kProtocolTcp;
    case GsoType::tcp6: return headers.family == 6 && headers.protocol == kProtocolTcp;
    case GsoType::udp: return headers.protocol == kProtocolUdp;
  }
  return false;
}

// The offload state comes from the kernel, but from what a guest or a raw socket told the kernel.
void check_offload(Packet& packet) {
  const Offload& offload = packet.offload;
  if ((offload.needs_checksum && !checksum_place_is_sane(packet)) ||
      (offload.gso_type != GsoType::none && !gso_is_sane(packet))) {
    packet.drop(DropReason::l4_malformed);
  }
}

}  // namespace

void parse(Packet& packet) {
  packet.headers = Headers{};
  packet.key = FlowKey{};
  if (packet.length > kMaxFrame || !EthernetHeader::check(packet.data, packet.length)) {
    return packet.drop(DropReason::ethernet_malformed);
  }
  const EthernetHeader::Payload payload = EthernetHeader(packet.data).payload();
  packet.headers.l3 = payload.offset;
  packet.headers.ether_type = payload.ether_type;
  switch (payload.ether_type) {
    case kEtherTypeIpv4: parse_ipv4(packet); break;
    case kEtherTypeIpv6: parse_ipv6(packet); break;
    case kEtherTypeArp: parse_arp(packet); break;
    default: return packet.drop(DropReason::ether_type_unknown);
  }
  if (packet.verdict != Verdict::none) return;
  if (packet.offload.checksum_unknown) settle_checksum(packet);
  check_offload(packet);
}

}  // namespace sluice
