#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace sluice {

// The Internet checksum (RFC 1071). A *sum* is the ones' complement sum of big-endian 16-bit words,
// not complemented; sums of even-sized parts add. A *checksum* is the complement of a folded sum.

constexpr uint16_t fold_sum(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}

// Ones' complement addition of sums of any width: the carry out of the top comes back in at the
// bottom.
constexpr uint64_t add_words(uint64_t sum, uint64_t word) {
  sum += word;
  return sum + (sum < word);
}

constexpr uint16_t finish_checksum(uint64_t sum) { return static_cast<uint16_t>(~fold_sum(sum)); }

// Sum over bytes, folded. An odd last byte counts as the high half of a word.
uint16_t sum_bytes(const uint8_t* at, size_t size);

// Sums of the pseudo-headers: RFC 9293 3.1 and RFC 768 for IPv4, RFC 8200 8.1 for IPv6. Addresses
// point into an IP header. `l4_length` counts L4 header and payload.
uint64_t pseudo_header_sum_v4(const uint8_t* src, const uint8_t* dst, uint8_t protocol,
                              uint32_t l4_length);
uint64_t pseudo_header_sum_v6(const uint8_t* src, const uint8_t* dst, uint8_t protocol,
                              uint32_t l4_length);

// What changes of bytes do to a checksum, gathered over several fields and applied once:
// HC' = ~(~HC + ~m + m') (RFC 1624, eqn. 3). Works on residues, so a wrong checksum stays exactly
// as wrong (TCPX-30).
//
// The one thing that does not survive is the second name of zero: a TCP or IPv4 checksum of FFFF,
// which no sender computes, may come out as the 0000 that equals it.
class ChecksumDelta {
 public:
  // Fields at an even offset from the first byte that the checksum covers.
  void replace16(uint16_t before, uint16_t after) {
    sum_ += static_cast<uint16_t>(~before) + uint64_t{after};
  }
  void replace32(uint32_t before, uint32_t after) { sum_ += uint64_t{~before} + after; }
  void replace128(const uint8_t* before, const uint8_t* after) {
    for (size_t i = 0; i < 16; i += 4) replace32(load_be32(before + i), load_be32(after + i));
  }

  // Fields anywhere: at an odd offset every byte falls into the other half of a word, which is a
  // multiplication by 2^8 modulo 2^16 - 1.
  void replace16_at(size_t offset, uint16_t before, uint16_t after) {
    sum_ += (static_cast<uint16_t>(~before) + uint64_t{after}) << shift(offset);
  }
  void replace32_at(size_t offset, uint32_t before, uint32_t after) {
    sum_ += (uint64_t{~before} + after) << shift(offset);
  }

  void add(const ChecksumDelta& other) { sum_ += other.sum_; }
  // One whose words are in the other byte order: sums do not mind it as long as all are in one
  // (RFC 1071 2.B).
  void add_swapped(const ChecksumDelta& other) { sum_ += __builtin_bswap16(fold_sum(other.sum_)); }

  // The checksum after the changes. A delta of nothing leaves any value alone.
  uint16_t applied_to_checksum(uint16_t checksum) const {
    return static_cast<uint16_t>(~applied_to_sum(static_cast<uint16_t>(~checksum)));
  }
  // The same for a field that holds an uncomplemented sum, as partial checksums do (TCPX-32).
  uint16_t applied_to_sum(uint16_t sum) const {
    const uint16_t delta = fold_sum(sum_);
    if (delta == 0 || delta == 0xffff) return sum;
    return fold_sum(uint64_t{sum} + delta);
  }

 private:
  static constexpr unsigned shift(size_t offset) { return (offset & 1) * 8; }

  uint64_t sum_ = 0;  // room for 2^22 changes before it could overflow
};

}  // namespace sluice
