#include "bus/message_ring.h"

#include <algorithm>
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
  const ByteSpan room = reserve(message.size());
  if (room.empty()) return false;
  std::memcpy(room.data(), message.data(), message.size());
  commit();
  return true;
}

ByteSpan MessageRing::reserve(size_t size) {
  if (!has_room(size)) return {};
  uint64_t head = head_.load(std::memory_order_relaxed);
  const size_t record = record_size(size);
  if (to_end(head) < record) {
    std::memcpy(at(head), &kWrap, sizeof kWrap);
    head += to_end(head);
  }
  const auto length = static_cast<uint32_t>(size);
  std::memcpy(at(head), &length, sizeof length);
  reserved_ = head + record;
  return {at(head) + kLengthWord, size};
}

void MessageRing::commit() { head_.store(reserved_, std::memory_order_release); }

bool MessageRing::empty() const {
  return tail_.load(std::memory_order_acquire) == head_.load(std::memory_order_acquire);
}

ByteSpan MessageRing::front() {
  uint64_t tail = tail_.load(std::memory_order_relaxed);
  const ByteSpan message = at_or_after(tail);
  tail_.store(tail, std::memory_order_release);
  return message;
}

void MessageRing::pop() {
  read_ = tail_.load(std::memory_order_relaxed);
  SLUICE_CHECK(!next().empty());  // front() has gone past a wrap
  release();
}

ByteSpan MessageRing::next() {
  read_ = std::max(read_, tail_.load(std::memory_order_relaxed));
  const ByteSpan message = at_or_after(read_);
  if (!message.empty()) read_ += record_size(message.size());
  return message;
}

void MessageRing::release() { tail_.store(read_, std::memory_order_release); }

// The message at a position, or an empty span at the head; moves the position past a wrap.
ByteSpan MessageRing::at_or_after(uint64_t& position) const {
  if (position == head_.load(std::memory_order_acquire)) return {};
  uint32_t length;
  std::memcpy(&length, at(position), sizeof length);
  if (length == kWrap) {
    position += to_end(position);
    std::memcpy(&length, at(position), sizeof length);
  }
  return {at(position) + kLengthWord, length};
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
