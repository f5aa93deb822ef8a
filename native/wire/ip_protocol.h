#pragma once

#include <cstdint>

namespace sluice {

// Protocol numbers of the IPv4 protocol and IPv6 next header fields.
inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolAh = 51;
inline constexpr uint8_t kProtocolIcmpv6 = 58;
inline constexpr uint8_t kProtocolSctp = 132;

// Whether the L4 header begins with the ports of both ends, of any family.
constexpr bool carries_ports(uint8_t protocol) {
  return protocol == kProtocolTcp || protocol == kProtocolUdp || protocol == kProtocolSctp;
}

// The one of ICMP and ICMPv6 that belongs to an IP version, and the one that does not.
constexpr uint8_t icmp_of(bool v4) { return v4 ? kProtocolIcmp : kProtocolIcmpv6; }

}  // namespace sluice
