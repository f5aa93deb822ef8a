#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace sluice {

// Whole messages in order from one thread to another, through a fixed piece of memory. One thread
// writes (push, or reserve and commit), one other thread reads; neither ever waits.
//
// A record is a length word and the message, padded to 8 bytes, and never wraps: a length of
// kWrap sends the reader back to the start. `head_` is the producer's, `tail_` the consumer's; each
// publishes with release what the other reads with acquire.
class MessageRing {
 public:
  // `capacity` bytes, rounded up to a power of two.
  explicit MessageRing(size_t capacity);

  // False, and nothing changes, when there is no room.
  bool push(ConstByteSpan message);
  // The same in two steps: room to write a message of this size to, 8-byte aligned, or an empty
  // span; the reader sees it after commit().
  ByteSpan reserve(size_t size);
  void commit();
  // Room for a message of this size, now.
  bool has_room(size_t size) const;
  // Of the producer: bytes that nobody has read yet, and how many there may be.
  size_t unread() const { return written() - tail_.load(std::memory_order_acquire); }
  size_t capacity() const { return mask_ + 1; }
  // Of the producer: where the message that was pushed last ends, and whether one that ends there
  // has been read.
  uint64_t written() const { return head_.load(std::memory_order_relaxed); }
  bool was_read(uint64_t end) const { return end <= tail_.load(std::memory_order_acquire); }

  // Copies as many whole messages into `into` as fit, back to back; returns the bytes.
  size_t drain(ByteSpan into);
  bool empty() const;

  // The next message in place, or an empty span; valid until pop().
  ByteSpan front();
  void pop();
  // The same for several messages at once: each next() is the message after the one before, and all
  // of them are valid until release(). Not to be mixed with front() in between.
  ByteSpan next();
  void release();

 private:
  static constexpr uint32_t kWrap = 0xffffffff;
  static constexpr size_t kLengthWord = 8;

  static size_t record_size(size_t message) { return kLengthWord + ((message + 7) & ~size_t{7}); }
  uint8_t* at(uint64_t position) const { return memory_.get() + (position & mask_); }
  size_t to_end(uint64_t position) const { return mask_ + 1 - (position & mask_); }

  ByteSpan at_or_after(uint64_t& position) const;

  uint64_t mask_;
  std::unique_ptr<uint8_t[]> memory_;
  alignas(64) std::atomic<uint64_t> head_{0};
  uint64_t reserved_ = 0;  // the head after commit()
  alignas(64) std::atomic<uint64_t> tail_{0};
  uint64_t read_ = 0;  // up to here next() has gone; behind tail_ after front()
};

}  // namespace sluice
