#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/random.h"

namespace sluice::bench {

// The numbers below `count`, in random order.
inline std::vector<uint32_t> shuffled(uint32_t count) {
  std::vector<uint32_t> numbers(count);
  for (uint32_t i = 0; i < count; ++i) numbers[i] = i;
  Random random(1);
  for (uint32_t i = count; i > 1; --i) std::swap(numbers[i - 1], numbers[random.below(i)]);
  return numbers;
}

}  // namespace sluice::bench
