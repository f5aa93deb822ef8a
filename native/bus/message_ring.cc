#include "bus/message_ring.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace sluice {

MessageRing::MessageRing(size_t capacity)
    : mask_(std::bit_ceil(capacity < 4096 ? size_t{4096} : capacity) - 1),
      memory_(new uint8_t[mask_ + 1]) {}

bool MessageRing::has_room(size_t size) const {
  const uint64_t head = head_.load(std::memory_order_relaxed);
  const uint64_t free = mask_ + 1 - (head - tail_.load(std::memory_order_acquire));
  const size_t record = record_size(size);
  const size_t skipped = to_end(head) < record ? to_end(head) : 0;
  return skipped + record <= free;
}

bool MessageRing::push(ConstByteSpan message) {
  if (!has_room(message.size())) return false;
  uint64_t head = head_.load(std::memory_order_relaxed);
  const size_t record = record_size(message.size());
  if (to_end(head) < record) {
    std::memcpy(at(head), &kWrap, sizeof kWrap);
    head += to_end(head);
  }
  const auto length = static_cast<uint32_t>(message.size());
  std::memcpy(at(head), &length, sizeof length);
  std::memcpy(at(head) + kLengthWord, message.data(), message.size());
  head_.store(head + record, std::memory_order_release);
  return true;
}

bool MessageRing::empty() const {
  return tail_.load(std::memory_order_acquire) == head_.load(std::memory_order_acquire);
}

ByteSpan MessageRing::front() {
  uint64_t tail = tail_.load(std::memory_order_relaxed);
  if (tail == head_.load(std::memory_order_acquire)) return {};
  uint32_t length;
  std::memcpy(&length, at(tail), sizeof length);
  if (length == kWrap) {
    tail += to_end(tail);
    tail_.store(tail, std::memory_order_release);
    std::memcpy(&length, at(tail), sizeof length);
  }
  return {at(tail) + kLengthWord, length};
}

void MessageRing::pop() {
  const uint64_t tail = tail_.load(std::memory_order_relaxed);
  uint32_t length;
  std::memcpy(&length, at(tail), sizeof length);
  SLUICE_CHECK(length != kWrap);  // front() has gone past it
  tail_.store(tail + record_size(length), std::memory_order_release);
}

size_t MessageRing::drain(ByteSpan into) {
  size_t filled = 0;
  while (true) {
    const ByteSpan message = front();
    if (message.empty() || message.size() > into.size() - filled) return filled;
    std::memcpy(into.data() + filled, message.data(), message.size());
    filled += message.size();
    pop();
  }
}

}  // namespace sluice
