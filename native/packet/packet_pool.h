#pragma once

#include <cstddef>
#include <cstdint>

#include "base/mapped_array.h"
#include "packet/packet.h"

namespace sluice {

// A packet in a buffer of the pool. Whoever holds the pointer owns it, until PacketPool::free().
struct PooledPacket {
  Packet packet;                 // `data` points into the pool, with kHeadroom bytes before it
  PooledPacket* next = nullptr;  // free for the owner's queue
};

// Packets that outlive their batch: those that wait for a decision or for a next hop. Two sizes of
// buffer, so that a SYN does not cost 64 KB. All memory is reserved at construction (law 4); one
// worker uses it.
class PacketPool {
 public:
  static constexpr size_t kSmallBuffer = 2048;
  static constexpr size_t kSmallFrame = kSmallBuffer - kHeadroom;
  static constexpr size_t kLargeBuffer = (kHeadroom + kMaxFrame + 63) / 64 * 64;

  PacketPool(size_t small_count, size_t large_count);

  // The frame with all that is known about it, in the smaller buffer that fits; nullptr when that
  // size is exhausted. Small frames never take large buffers: a flood of SYNs must leave room for
  // super-packets. The frame is at most kMaxFrame long.
  PooledPacket* copy(const Packet& packet);
  void free(PooledPacket* pooled);

  size_t used() const { return small_.used + large_.used; }
  size_t capacity() const { return small_.slots.size() + large_.slots.size(); }

 private:
  struct SizeClass {
    SizeClass(size_t count, size_t buffer_size);
    PooledPacket* take();

    MappedArray<PooledPacket> slots;
    MappedArray<uint8_t> buffers;
    size_t buffer_size;
    PooledPacket* free_list = nullptr;
    size_t fresh = 0;  // slots from here on were never used, so their pages are untouched
    size_t used = 0;
  };

  SizeClass small_;
  SizeClass large_;
};

// Packets in order, each owned by the queue's owner.
class PacketQueue {
 public:
  bool empty() const { return head_ == nullptr; }
  PooledPacket* front() const { return head_; }  // nullptr when empty
  size_t size() const { return size_; }
  void push(PooledPacket* pooled) {
    pooled->next = nullptr;
    (head_ == nullptr ? head_ : tail_->next) = pooled;
    tail_ = pooled;
    ++size_;
  }
  // The oldest; the queue is not empty.
  PooledPacket* pop() {
    PooledPacket* pooled = head_;
    head_ = pooled->next;
    --size_;
    return pooled;
  }

 private:
  PooledPacket* head_ = nullptr;
  PooledPacket* tail_ = nullptr;  // valid while head_ is not null
  size_t size_ = 0;
};

}  // namespace sluice
