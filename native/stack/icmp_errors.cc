#include "stack/icmp_errors.h"

#include <algorithm>
#include <cstring>

#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

namespace sluice {

namespace {

constexpr uint8_t kHopLimit = 64;
constexpr uint8_t kNetworkControl = 48;  // DSCP; RFC 1812 4.3.2.5: precedence 6
// What an error may have of IP in all: RFC 1812 4.3.2.3, and the smallest MTU (RFC 4443 2.4 (c)).
constexpr size_t kMostIpv4 = 576;
constexpr size_t kMostIpv6 = 1280;
constexpr size_t kMostEthernet = EthernetHeader::kSize + 2 * EthernetHeader::kTagSize;

struct TypeAndCode {
  uint8_t type, code;
};

TypeAndCode icmp_type(IcmpError::Kind kind) {
  switch (kind) {
    case IcmpError::Kind::no_route: return {kIcmpUnreachable, kIcmpNetUnreachable};
    case IcmpError::Kind::host_unreachable: return {kIcmpUnreachable, kIcmpHostUnreachable};
    case IcmpError::Kind::port_unreachable: return {kIcmpUnreachable, kIcmpPortUnreachable};
    case IcmpError::Kind::prohibited: return {kIcmpUnreachable, kIcmpProhibited};
    case IcmpError::Kind::packet_too_big: return {kIcmpUnreachable, kIcmpFragmentationNeeded};
    case IcmpError::Kind::time_exceeded: return {kIcmpTimeExceeded, 0};
  }
  return {};
}

TypeAndCode icmpv6_type(IcmpError::Kind kind) {
  switch (kind) {
    case IcmpError::Kind::no_route: return {kIcmpv6Unreachable, kIcmpv6NoRoute};
    case IcmpError::Kind::host_unreachable: return {kIcmpv6Unreachable, kIcmpv6AddressUnreachable};
    case IcmpError::Kind::port_unreachable: return {kIcmpv6Unreachable, kIcmpv6PortUnreachable};
    case IcmpError::Kind::prohibited: return {kIcmpv6Unreachable, kIcmpv6Prohibited};
    case IcmpError::Kind::packet_too_big: return {kIcmpv6PacketTooBig, 0};
    case IcmpError::Kind::time_exceeded: return {kIcmpv6TimeExceeded, 0};
  }
  return {};
}

size_t fragment_offset(const Packet& packet) {
  if (!packet.headers.fragment) return 0;
  uint8_t* ip = packet.at(packet.headers.l3);
  return packet.headers.family == 4 ? Ipv4Header(ip).fragment_offset()
                                    : walk_ipv6_extensions(ip).fragment_offset();
}

// No error about an error, nor about a redirect, nor about what could be one.
bool may_be_icmp_error(const Packet& packet) {
  const Headers& headers = packet.headers;
  const bool icmp = headers.family == 4 && headers.protocol == kProtocolIcmp;
  const bool icmpv6 = headers.family == 6 && headers.protocol == kProtocolIcmpv6;
  if (!icmp && !icmpv6) return false;
  if (headers.l4 >= headers.end) return true;
  const uint8_t type = *packet.at(headers.l4);
  return icmp ? !is_icmp_query(type) : is_icmpv6_error(type) || type == kIcmpv6Redirect;
}

// Copies what fits, with the length of a segment where it is one of a super-packet. Its L4
// checksum stays as it is, open perhaps: whoever gets the quote cannot verify it anyway.
size_t quote(const Packet& about, size_t most, uint8_t* to) {
  const size_t length = about.wire_ip_length();
  const size_t size = std::min(length, most);
  std::memcpy(to, about.at(about.headers.l3), size);
  if (about.wire_segments() == 1) return size;
  if (about.headers.family == 6) {
    Ipv6Header(to).set_payload_length(static_cast<uint16_t>(length - Ipv6Header::kSize));
    return size;
  }
  Ipv4Header(to).set_total_length(static_cast<uint16_t>(length));
  Ipv4Header(to).complete_checksum();
  return size;
}

// Both write an IP packet and return its length.

size_t write_ipv4(const Packet& about, const IcmpError& error, const IpAddress& src, uint8_t* at) {
  const TypeAndCode type = icmp_type(error.kind);
  uint8_t* message = at + Ipv4Header::kSize;
  IcmpHeader icmp(message);
  icmp.set_type(type.type);
  icmp.set_code(type.code);
  icmp.set_rest(error.mtu);
  const size_t headers = Ipv4Header::kSize + IcmpHeader::kSize;
  const size_t size =
      IcmpHeader::kSize + quote(about, kMostIpv4 - headers, message + IcmpHeader::kSize);
  complete_icmp_checksum(message, size);
  Ipv4Header ip = Ipv4Header::start(at);
  ip.set_dscp(kNetworkControl);
  ip.set_total_length(static_cast<uint16_t>(Ipv4Header::kSize + size));
  ip.set_fragment(Ipv4Header::kDontFragment);  // so it needs no identification (RFC 6864 4.1)
  ip.set_ttl(kHopLimit);
  ip.set_protocol(kProtocolIcmp);
  ip.set_src(src.v4());
  ip.set_dst(about.key.src.v4());
  ip.complete_checksum();
  return Ipv4Header::kSize + size;
}

size_t write_ipv6(const Packet& about, const IcmpError& error, const IpAddress& src, uint8_t* at) {
  const TypeAndCode type = icmpv6_type(error.kind);
  uint8_t* message = at + Ipv6Header::kSize;
  IcmpHeader icmp(message);
  icmp.set_type(type.type);
  icmp.set_code(type.code);
  icmp.set_rest(error.mtu);
  const size_t headers = Ipv6Header::kSize + IcmpHeader::kSize;
  const size_t size =
      IcmpHeader::kSize + quote(about, kMostIpv6 - headers, message + IcmpHeader::kSize);
  Ipv6Header ip = Ipv6Header::start(at);
  ip.set_payload_length(static_cast<uint16_t>(size));
  ip.set_next_header(kProtocolIcmpv6);
  ip.set_hop_limit(kHopLimit);
  ip.set_src(src);
  ip.set_dst(about.key.src);
  complete_icmpv6_checksum(ip.src_bytes(), ip.dst_bytes(), message, size);
  return Ipv6Header::kSize + size;
}

}  // namespace

void IcmpErrors::send(Instant now, const Packet& about, const IcmpError& error) {
  if (!may_be_told(about, error.kind)) return;
  const Link& link = addresses_.link(about.in_port);
  const IpAddress* src = speaker_about(about, link, error.kind);
  if (src == nullptr) return;
  if (!limit_.allows(now, about.key.src)) {
    ++limited_;
    return;
  }
  ++sent_;
  uint8_t buffer[kHeadroom + kMostEthernet + kMostIpv6];
  Packet frame;
  frame.data = buffer + kHeadroom;
  std::memcpy(frame.data, about.data, about.headers.l3);  // with its VLAN tags
  const EthernetHeader came(about.data);
  EthernetHeader ethernet(frame.data);
  ethernet.set_dst(came.src());
  ethernet.set_src(link.mac);
  uint8_t* ip = frame.at(about.headers.l3);
  const size_t length = about.headers.family == 4 ? write_ipv4(about, error, *src, ip)
                                                  : write_ipv6(about, error, *src, ip);
  frame.length = static_cast<uint32_t>(about.headers.l3 + length);
  sink_.originate(about.in_port, frame);
}

// Of its ports a host speaks itself, by the address that was asked (RFC 1122 3.2.1.3, RFC 4443 2.2
// (a)), as traceroute expects of its goal.
const IpAddress* IcmpErrors::speaker_about(const Packet& about, const Link& link,
                                           IcmpError::Kind kind) const {
  const bool of_host = kind == IcmpError::Kind::port_unreachable && addresses_.owns(about.key.dst);
  return of_host ? &about.key.dst : addresses_.speaker(link.port, about.key.src);
}

// RFC 1122 3.2.2, RFC 1812 4.3.2.7; RFC 4443 2.4 (e), which lets a packet that is too big be told
// of though it went to many.
bool IcmpErrors::may_be_told(const Packet& about, IcmpError::Kind kind) const {
  if (about.headers.family == 0 || about.in_port == kNoPort) return false;
  const bool to_many = EthernetHeader(about.data).dst().is_multicast() ||
                       about.key.dst.is_multicast() || about.key.dst == IpAddress::v4(0xffffffff) ||
                       addresses_.is_broadcast(about.key.dst);
  const bool discovers = about.headers.family == 6 && kind == IcmpError::Kind::packet_too_big;
  if (to_many && !discovers) return false;
  const IpAddress& src = about.key.src;
  if (!src.is_host() || addresses_.is_broadcast(src) || addresses_.owns(src)) return false;
  if (src.is_v4() && src.bytes[12] >= 240) return false;  // class E
  return fragment_offset(about) == 0 && !may_be_icmp_error(about);
}

}  // namespace sluice
