#include "wire/checksum.h"

#include <cstring>

namespace sluice {

namespace {

template <class Word>
uint64_t load_native(const uint8_t* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

constexpr size_t kBlock = 32;
// Shorter parts are not worth the call.
constexpr size_t kLong = 256;

// The sum of whole blocks: 32-bit words in 64-bit lanes, which have room for 2^32 of them without a
// carry, so that a compiler makes vectors of it.
[[gnu::always_inline]] inline uint64_t sum_blocks(const uint8_t* at, size_t blocks) {
  uint64_t lanes[kBlock / 4] = {};
  for (; blocks > 0; --blocks, at += kBlock) {
    for (size_t i = 0; i < kBlock / 4; ++i) lanes[i] += load_native<uint32_t>(at + 4 * i);
  }
  uint64_t sum = 0;
  for (const uint64_t lane : lanes) sum = add_words(sum, lane);
  return sum;
}

[[gnu::target("avx2")]] uint64_t sum_blocks_avx2(const uint8_t* at, size_t blocks) {
  return sum_blocks(at, blocks);
}
uint64_t sum_blocks_anywhere(const uint8_t* at, size_t blocks) { return sum_blocks(at, blocks); }

// Chosen once, by what the processor has.
const auto sum_long = __builtin_cpu_supports("avx2") ? sum_blocks_avx2 : sum_blocks_anywhere;

}  // namespace

// Ones' complement sums do not mind byte order (RFC 1071 2.B): add in the host's, swap at the end.
// Two chains, so that one addition need not wait for the carry of the other.
uint16_t sum_bytes(const uint8_t* at, size_t size) {
  uint64_t even = 0;
  uint64_t odd = 0;
  if (size >= kLong) {
    even = sum_long(at, size / kBlock);
    at += size / kBlock * kBlock;
    size %= kBlock;
  }
  for (; size >= 16; at += 16, size -= 16) {
    even = add_words(even, load_native<uint64_t>(at));
    odd = add_words(odd, load_native<uint64_t>(at + 8));
  }
  if (size >= 8) {
    even = add_words(even, load_native<uint64_t>(at));
    at += 8;
    size -= 8;
  }
  // At most 7 bytes are left: their words fit into 64 bits without a carry.
  uint64_t rest = 0;
  if (size >= 4) {
    rest += load_native<uint32_t>(at);
    at += 4;
    size -= 4;
  }
  if (size >= 2) {
    rest += load_native<uint16_t>(at);
    at += 2;
    size -= 2;
  }
  if (size == 1) rest += *at;  // the low half in the host's order, which is little-endian
  odd = add_words(odd, rest);
  return __builtin_bswap16(fold_sum(add_words(even, odd)));
}

uint64_t pseudo_header_sum_v4(const uint8_t* src, const uint8_t* dst, uint8_t protocol,
                              uint32_t l4_length) {
  return uint64_t{load_be32(src)} + load_be32(dst) + protocol + l4_length;
}

uint64_t pseudo_header_sum_v6(const uint8_t* src, const uint8_t* dst, uint8_t protocol,
                              uint32_t l4_length) {
  return uint64_t{sum_bytes(src, 16)} + sum_bytes(dst, 16) + protocol + l4_length;
}

}  // namespace sluice
