#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "wire/checksum.h"

namespace sluice {

inline constexpr uint8_t kIcmpEchoReply = 0;
inline constexpr uint8_t kIcmpUnreachable = 3;
inline constexpr uint8_t kIcmpSourceQuench = 4;  // RFC 6633: obsolete
inline constexpr uint8_t kIcmpRedirect = 5;
inline constexpr uint8_t kIcmpEchoRequest = 8;
inline constexpr uint8_t kIcmpTimeExceeded = 11;
inline constexpr uint8_t kIcmpParameterProblem = 12;
// Codes of kIcmpUnreachable.
inline constexpr uint8_t kIcmpNetUnreachable = 0;
inline constexpr uint8_t kIcmpHostUnreachable = 1;
inline constexpr uint8_t kIcmpPortUnreachable = 3;
inline constexpr uint8_t kIcmpFragmentationNeeded = 4;
inline constexpr uint8_t kIcmpProhibited = 13;  // RFC 1812 5.2.7.1

// Whether messages of this type may be answered by an error: the queries of RFC 792 and 950 and
// those of router discovery. What nobody knows may be an error (RFC 1122 3.2.2).
constexpr bool is_icmp_query(uint8_t type) {
  return type == kIcmpEchoReply || (type >= kIcmpEchoRequest && type <= 10) ||
         (type >= 13 && type <= 18);
}

// The first 8 bytes of an ICMP (RFC 792) or ICMPv6 (RFC 4443) message, which all messages have.
class IcmpHeader {
 public:
  static constexpr size_t kSize = 8;
  static constexpr size_t kChecksumOffset = 2;

  explicit IcmpHeader(uint8_t* at) : at_(at) {}

  static bool check(const uint8_t*, size_t available) { return available >= kSize; }

  uint8_t type() const { return at_[0]; }
  uint8_t code() const { return at_[1]; }
  uint16_t checksum() const { return load_be16(at_ + 2); }
  // Echo messages.
  uint16_t identifier() const { return load_be16(at_ + 4); }
  uint16_t sequence() const { return load_be16(at_ + 6); }
  // Fragmentation needed (RFC 1191 4). 0: not told.
  uint16_t next_hop_mtu() const { return load_be16(at_ + 6); }

  void set_type(uint8_t type) { at_[0] = type; }
  void set_code(uint8_t code) { at_[1] = code; }
  void set_checksum(uint16_t checksum) { store_be16(at_ + 2, checksum); }
  void set_identifier(uint16_t identifier) { store_be16(at_ + 4, identifier); }
  // The second word, whatever the type holds there.
  void set_rest(uint32_t rest) { store_be32(at_ + 4, rest); }

 private:
  uint8_t* at_;
};

// Computes the checksum of an ICMP message of `size` bytes; no pseudo-header.
inline void complete_icmp_checksum(uint8_t* message, size_t size) {
  store_be16(message + 2, 0);
  store_be16(message + 2, finish_checksum(sum_bytes(message, size)));
}

}  // namespace sluice
