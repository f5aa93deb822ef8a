#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace sluice {

// 128 bits that nobody outside knows.
struct SipKey {
  uint64_t first = 0;
  uint64_t second = 0;
};

// The state of SipHash-2-4 (Aumasson and Bernstein, 2012).
class SipState {
 public:
  explicit SipState(const SipKey& key)
      : v_{key.first ^ 0x736f6d6570736575, key.second ^ 0x646f72616e646f6d,
           key.first ^ 0x6c7967656e657261, key.second ^ 0x7465646279746573} {}

  void add(uint64_t word) {
    v_[3] ^= word;
    round();
    round();
    v_[0] ^= word;
  }
  uint64_t finish() {
    v_[2] ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
  }

 private:
  void round() {
    v_[0] += v_[1];
    v_[2] += v_[3];
    v_[1] = std::rotl(v_[1], 13) ^ v_[0];
    v_[3] = std::rotl(v_[3], 16) ^ v_[2];
    v_[0] = std::rotl(v_[0], 32);
    v_[2] += v_[1];
    v_[0] += v_[3];
    v_[1] = std::rotl(v_[1], 17) ^ v_[2];
    v_[3] = std::rotl(v_[3], 21) ^ v_[0];
    v_[2] = std::rotl(v_[2], 32);
  }

  std::array<uint64_t, 4> v_;
};

// Who sees values of it can tell neither the key nor the value of anything else. For what a peer
// gets to see and must not be able to make; where nobody sees the value, mix64() costs less.
inline uint64_t siphash(const SipKey& key, ConstByteSpan bytes) {
  static_assert(std::endian::native == std::endian::little, "words are read as they lie");
  SipState state(key);
  uint64_t last = uint64_t{bytes.size()} << 56;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    state.add(word);
  }
  for (size_t i = 0; i < bytes.size(); ++i) last |= uint64_t{bytes[i]} << 8 * i;
  state.add(last);
  return state.finish();
}

}  // namespace sluice
