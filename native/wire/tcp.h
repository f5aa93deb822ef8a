#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "wire/address.h"
#include "wire/seq.h"

namespace sluice {

inline constexpr uint8_t kTcpFin = 0x01;
inline constexpr uint8_t kTcpSyn = 0x02;
inline constexpr uint8_t kTcpRst = 0x04;
inline constexpr uint8_t kTcpPsh = 0x08;
inline constexpr uint8_t kTcpAck = 0x10;
inline constexpr uint8_t kTcpUrg = 0x20;
inline constexpr uint8_t kTcpEce = 0x40;
inline constexpr uint8_t kTcpCwr = 0x80;

// Whether some TCP could send this combination: a SYN comes without FIN and RST, a FIN without RST,
// and everything but a SYN or RST carries ACK (RFC 9293 3.10.7). Leaves out null and Xmas packets.
constexpr bool tcp_flags_are_sane(uint8_t flags) {
  // Bit n tells of combination n of these; built once, as every segment asks.
  constexpr uint8_t kAsked = kTcpFin | kTcpSyn | kTcpRst | kTcpAck;
  constexpr uint32_t kSane = [] {
    uint32_t sane = 0;
    for (uint8_t flags = 0; flags <= kAsked; ++flags) {
      const int ends =
          ((flags & kTcpFin) != 0) + ((flags & kTcpSyn) != 0) + ((flags & kTcpRst) != 0);
      const bool answers = (flags & (kTcpAck | kTcpSyn | kTcpRst)) != 0;
      if (ends <= 1 && answers) sane |= 1u << flags;
    }
    return sane;
  }();
  return (kSane >> (flags & kAsked) & 1) != 0;
}

// A TCP header (RFC 9293 3.1) and its options.
class TcpHeader {
 public:
  static constexpr size_t kSize = 20;  // without options
  static constexpr size_t kMaxSize = 60;
  static constexpr size_t kSeqOffset = 4;
  static constexpr size_t kAckOffset = 8;
  static constexpr size_t kChecksumOffset = 16;

  explicit TcpHeader(uint8_t* at) : at_(at) {}

  static bool check(const uint8_t* at, size_t available) {
    if (available < kSize) return false;
    const size_t header = size_t{at[12]} >> 4 << 2;
    return header >= kSize && header <= available;
  }

  // Writes a header of `header_length` bytes (a multiple of 4) with nothing but zeros.
  static TcpHeader start(uint8_t* at, size_t header_length) {
    std::memset(at, 0, header_length);
    at[12] = static_cast<uint8_t>(header_length << 2);
    return TcpHeader(at);
  }

  L4Port src_port() const { return load_be16(at_); }
  L4Port dst_port() const { return load_be16(at_ + 2); }
  Seq seq() const { return Seq(load_be32(at_ + kSeqOffset)); }
  Seq ack() const { return Seq(load_be32(at_ + kAckOffset)); }
  size_t header_length() const { return size_t{at_[12]} >> 4 << 2; }
  uint8_t flags() const { return at_[13]; }
  bool has(uint8_t flag) const { return (at_[13] & flag) != 0; }
  uint16_t window() const { return load_be16(at_ + 14); }
  uint16_t checksum() const { return load_be16(at_ + 16); }
  uint16_t urgent_pointer() const { return load_be16(at_ + 18); }
  uint8_t* options() const { return at_ + kSize; }
  size_t options_length() const { return header_length() - kSize; }

  void set_src_port(L4Port port) { store_be16(at_, port); }
  void set_dst_port(L4Port port) { store_be16(at_ + 2, port); }
  void set_seq(Seq seq) { store_be32(at_ + kSeqOffset, seq.raw()); }
  void set_ack(Seq ack) { store_be32(at_ + kAckOffset, ack.raw()); }
  void set_flags(uint8_t flags) { at_[13] = flags; }
  void set_window(uint16_t window) { store_be16(at_ + 14, window); }
  void set_checksum(uint16_t checksum) { store_be16(at_ + 16, checksum); }
  void set_urgent_pointer(uint16_t pointer) { store_be16(at_ + 18, pointer); }

 private:
  uint8_t* at_;
};

}  // namespace sluice
