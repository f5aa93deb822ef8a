#pragma once

#include <algorithm>
#include <cstdint>

#include "tcp/buffer_pool.h"

namespace sluice {

// Chunks of the buffer pool that are promised to what sockets write, all of a worker's together:
// whatever they have on its way finds room, and a socket that may not write has it still. No more
// is promised than is free and reserved for that.
class WriteRoom {
 public:
  explicit WriteRoom(uint32_t most) : most_(most) {}

  // Bytes have come. False where they are more than was promised.
  bool take(size_t bytes) {
    const uint32_t chunks = BufferPool::chunks_of(bytes);
    if (chunks > promised_) return false;
    promised_ -= chunks;
    return true;
  }
  // What is worth promising now, when so many are free: a good part, or any to those with none.
  uint32_t more(uint32_t free_chunks) const {
    const uint32_t room = std::min(most_, free_chunks);
    const uint32_t more = room > promised_ ? room - promised_ : 0;
    return promised_ == 0 || more >= most_ / 4 ? more : 0;
  }
  void promise(uint32_t chunks) { promised_ += chunks; }

 private:
  const uint32_t most_;
  uint32_t promised_ = 0;
};

}  // namespace sluice
