#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/result.h"

namespace sluice {

// The memory that an AF_XDP socket shares with the kernel, in chunks of one page, which hold one
// frame each. On huge pages where the machine has some to give.
class Umem {
 public:
  static constexpr size_t kChunk = 4096;
  // What the kernel leaves free before a frame that it receives: XDP_PACKET_HEADROOM.
  static constexpr size_t kKernelHeadroom = 256;
  static constexpr size_t kLargestFrame = kChunk - kKernelHeadroom;

  static Result<Umem> make(size_t chunks);
  // What so many chunks take up: huge pages.
  static constexpr size_t memory(size_t chunks) {
    return (chunks * kChunk + kHugePage - 1) / kHugePage * kHugePage;
  }
  Umem(Umem&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), size_(other.size_) {}
  Umem& operator=(Umem&&) = delete;
  ~Umem();

  // Addresses in descriptors count from the first chunk.
  uint8_t* at(uint64_t address) const { return memory_ + address; }
  uint8_t* memory() const { return memory_; }
  size_t size() const { return size_; }

 private:
  static constexpr size_t kHugePage = size_t{2} << 20;

  Umem(uint8_t* memory, size_t size) : memory_(memory), size_(size) {}

  uint8_t* memory_;
  size_t size_;
};

}  // namespace sluice
