#pragma once

#include <cstddef>
#include <cstdint>

#include "base/mapped_array.h"
#include "packet/packet.h"

namespace sluice {

// A slab of equal buffers for frames of up to `largest` bytes, each with kHeadroom bytes before it
// and one spare byte behind it, by which a read of a longer frame shows (TCPX-35).
class FrameBuffers {
 public:
  FrameBuffers(size_t count, size_t largest)
      : largest_(largest), stride_(rounded(kHeadroom + largest + 1)), bytes_(count * stride_) {}

  // What so many take up.
  static constexpr size_t memory(size_t count, size_t largest) {
    return count * rounded(kHeadroom + largest + 1);
  }

  uint8_t* frame(size_t index) { return bytes_.data() + index * stride_ + kHeadroom; }
  size_t largest() const { return largest_; }

 private:
  // Whole cache lines, so that no two frames share one.
  static constexpr size_t rounded(size_t size) { return (size + 63) / 64 * 64; }

  size_t largest_;
  size_t stride_;
  MappedArray<uint8_t> bytes_;
};

}  // namespace sluice
