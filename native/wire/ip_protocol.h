#pragma once

#include <cstdint>

namespace sluice {

// Protocol numbers of the IPv4 protocol and IPv6 next header fields.
inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolIcmpv6 = 58;

}  // namespace sluice
