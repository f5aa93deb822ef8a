#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "wire/address.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ip_protocol.h"

namespace sluice {

inline constexpr uint8_t kIcmpv6Unreachable = 1;
inline constexpr uint8_t kIcmpv6PacketTooBig = 2;
inline constexpr uint8_t kIcmpv6TimeExceeded = 3;
inline constexpr uint8_t kIcmpv6ParameterProblem = 4;
inline constexpr uint8_t kIcmpv6EchoRequest = 128;
inline constexpr uint8_t kIcmpv6EchoReply = 129;
inline constexpr uint8_t kIcmpv6MulticastQuery = 130;
inline constexpr uint8_t kIcmpv6MulticastReport = 143;  // of MLDv2
inline constexpr uint8_t kIcmpv6NeighborSolicitation = 135;
inline constexpr uint8_t kIcmpv6NeighborAdvertisement = 136;
inline constexpr uint8_t kIcmpv6Redirect = 137;
// Codes of kIcmpv6Unreachable.
inline constexpr uint8_t kIcmpv6NoRoute = 0;
inline constexpr uint8_t kIcmpv6Prohibited = 1;
inline constexpr uint8_t kIcmpv6AddressUnreachable = 3;
inline constexpr uint8_t kIcmpv6PortUnreachable = 4;

// RFC 4443 2.1.
constexpr bool is_icmpv6_error(uint8_t type) { return type < 128; }

// The sum that a right ICMPv6 message has is FFFF; addresses point into the IPv6 header.
inline uint16_t sum_icmpv6(const uint8_t* src, const uint8_t* dst, const uint8_t* message,
                           size_t size) {
  return fold_sum(pseudo_header_sum_v6(src, dst, kProtocolIcmpv6, static_cast<uint32_t>(size)) +
                  sum_bytes(message, size));
}

inline void complete_icmpv6_checksum(const uint8_t* src, const uint8_t* dst, uint8_t* message,
                                     size_t size) {
  store_be16(message + 2, 0);
  store_be16(message + 2, finish_checksum(sum_icmpv6(src, dst, message, size)));
}

// A neighbour solicitation or advertisement (RFC 4861 4.3, 4.4) with its options.
class NeighborMessage {
 public:
  static constexpr size_t kSize = 24;  // without options
  static constexpr size_t kMacOptionSize = 8;
  static constexpr uint8_t kSourceMacOption = 1;
  static constexpr uint8_t kTargetMacOption = 2;
  // Flags of an advertisement.
  static constexpr uint8_t kRouter = 0x80;
  static constexpr uint8_t kSolicited = 0x40;
  static constexpr uint8_t kOverride = 0x20;

  explicit NeighborMessage(uint8_t* at) : at_(at) {}

  // RFC 4861 7.1.1, 7.1.2: code 0, target no multicast address, no option of length 0. `size` is
  // that of the whole message. Hop limit 255 and the checksum are the caller's to check.
  static bool check(const uint8_t* at, size_t size) {
    if (size < kSize || at[1] != 0 || at[8] == 0xff) return false;
    for (size_t i = kSize; i < size; i += size_t{at[i + 1]} * 8) {
      if (i + 2 > size || at[i + 1] == 0 || i + size_t{at[i + 1]} * 8 > size) return false;
    }
    return true;
  }

  // Writes the message without options, and returns it for its fields to be set.
  static NeighborMessage start(uint8_t* at, uint8_t type, uint8_t flags) {
    std::memset(at, 0, kSize);
    at[0] = type;
    at[4] = flags;
    return NeighborMessage(at);
  }

  uint8_t type() const { return at_[0]; }
  uint8_t flags() const { return at_[4]; }
  IpAddress target() const { return IpAddress::load_v6(at_ + 8); }
  // The link-layer address in the first option of `kind`; false where there is none. `size` is what
  // was checked.
  bool find_mac(uint8_t kind, size_t size, MacAddress& mac) const {
    for (size_t i = kSize; i < size; i += size_t{at_[i + 1]} * 8) {
      if (at_[i] != kind || at_[i + 1] != 1) continue;
      mac = MacAddress::load(at_ + i + 2);
      return true;
    }
    return false;
  }

  void set_target(const IpAddress& address) { std::memcpy(at_ + 8, address.bytes.data(), 16); }
  // Writes an option directly behind the message.
  void append_mac(uint8_t kind, const MacAddress& mac) {
    at_[kSize] = kind;
    at_[kSize + 1] = 1;
    mac.store(at_ + kSize + 2);
  }

 private:
  uint8_t* at_;
};

}  // namespace sluice
