#include "port/fault_queue.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace sluice {
namespace {

bool later(const FaultQueue::Held& a, const FaultQueue::Held& b) {
  return a.due != b.due ? a.due > b.due : a.order > b.order;
}

}  // namespace

void corrupt_frame(uint8_t* data, size_t length, Offload& offload, Random& random) {
  const size_t checksum_field = size_t{offload.checksum_start} + offload.checksum_offset;
  const size_t byte =
      offload.needs_checksum ? checksum_field + random.below(2) : random.below(length);
  data[byte] = static_cast<uint8_t>(data[byte] ^ (1u << random.below(8)));
  offload.checksum_verified = false;
}

FaultQueue::FaultQueue(const FaultOptions& options, uint64_t seed)
    : options_(options), random_(seed), buffers_(options.capacity, kMaxFrame) {
  for (size_t i = options.capacity; i > 0; --i) free_.push_back(static_cast<uint32_t>(i - 1));
  held_.reserve(options.capacity);
}

void FaultQueue::admit(Instant now, const Packet& packet) {
  SLUICE_CHECK(has_room());
  const Fate fate = draw_fate();
  if (fate.lost) {
    ++counters_.lost;
    return;
  }
  Instant due = std::max(now + options_.delay + fate.jitter, latest_due_);
  if (fate.reordered) {
    ++counters_.reordered;
    due = due + options_.reorder_delay;
  } else {
    latest_due_ = due;
  }
  hold(due, packet, fate.corrupted ? &fate : nullptr);
  if (!fate.duplicated) return;
  ++counters_.duplicated;
  hold(due, packet, nullptr);
}

// Draws the same number of times for every frame, so that turning one fault on or off does not
// change whom the others meet.
FaultQueue::Fate FaultQueue::draw_fate() {
  Fate fate;
  fate.lost = random_.chance(options_.loss);
  fate.duplicated = random_.chance(options_.duplicate);
  fate.corrupted = random_.chance(options_.corrupt);
  fate.reordered = random_.chance(options_.reorder);
  fate.bits = random_.next();
  const auto steps = static_cast<uint64_t>(options_.jitter.nanoseconds()) + 1;
  fate.jitter = Duration::nanoseconds(static_cast<int64_t>(random_.below(steps)));
  return fate;
}

void FaultQueue::hold(Instant due, const Packet& packet, const Fate* corrupting) {
  Held held{due, arrivals_++, free_.back(), packet.length, packet.offload};
  free_.pop_back();
  uint8_t* data = buffers_.frame(held.buffer);
  std::memcpy(data, packet.data, packet.length);
  if (corrupting != nullptr) {
    ++counters_.corrupted;
    Random bits(corrupting->bits);
    corrupt_frame(data, held.length, held.offload, bits);
  }
  held_.push_back(held);
  std::push_heap(held_.begin(), held_.end(), later);
}

FaultQueue::Held FaultQueue::take() {
  std::pop_heap(held_.begin(), held_.end(), later);
  const Held held = held_.back();
  held_.pop_back();
  return held;
}

void FaultQueue::put_back(const Held& held) {
  held_.push_back(held);
  std::push_heap(held_.begin(), held_.end(), later);
}

Packet FaultQueue::packet_of(const Held& held) {
  Packet packet;
  packet.data = buffers_.frame(held.buffer);
  packet.length = held.length;
  packet.offload = held.offload;
  return packet;
}

}  // namespace sluice
