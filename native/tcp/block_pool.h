#pragma once

#include <cstdint>
#include <new>

#include "base/check.h"
#include "base/mapped_array.h"

namespace sluice {

// A fixed number of blocks of one type, reserved at construction. Blocks are named by index + 1, so
// that 0 is none and zeroed memory needs no set-up.
template <class T>
class BlockPool {
 public:
  using Handle = uint32_t;
  static constexpr Handle kNone = 0;

  explicit BlockPool(uint32_t count) : blocks_(count), free_(count) {}

  // A fresh block, or kNone when all are in use.
  Handle take() {
    Handle handle = kNone;
    if (free_count_ > 0) {
      handle = free_[--free_count_];
    } else if (fresh_ < blocks_.size()) {
      handle = ++fresh_;
    } else {
      return kNone;
    }
    ++used_;
    new (&blocks_[handle - 1]) T();
    return handle;
  }
  // Nothing happens where there is no block.
  void give_back(Handle& handle) {
    if (handle == kNone) return;
    free_[free_count_++] = handle;
    handle = kNone;
    --used_;
  }

  T& operator[](Handle handle) { return blocks_[handle - 1]; }
  const T& operator[](Handle handle) const { return blocks_[handle - 1]; }
  Handle handle_of(const T& block) const {
    return static_cast<Handle>(&block - blocks_.data()) + 1;
  }
  uint32_t used() const { return used_; }
  uint32_t capacity() const { return static_cast<uint32_t>(blocks_.size()); }

 private:
  MappedArray<T> blocks_;
  MappedArray<Handle> free_;
  uint32_t free_count_ = 0;
  uint32_t fresh_ = 0;
  uint32_t used_ = 0;
};

}  // namespace sluice
