#pragma once

#include <cstdint>

namespace sluice {

// Keyed mixing of 64-bit words by 128-bit multiplication. The key is drawn at start, so that a
// peer who picks addresses and L4 ports cannot pick buckets.
inline uint64_t mix64(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace sluice
