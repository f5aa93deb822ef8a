#pragma once

#include <cstdint>
#include <random>

namespace sluice {

// Entropy of the host. Only what starts a worker may include this (law 2): it keys the hashes that
// peers must not be able to guess.
inline uint64_t draw_seed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace sluice
