#include "port/memory_port.h"

#include <cstring>

#include "base/check.h"

namespace sluice {

MemoryPort::Pair MemoryPort::make_pair(const MemoryPortOptions& a, const MemoryPortOptions& b) {
  Pair pair(new MemoryPort(a), new MemoryPort(b));
  pair.first->peer_ = pair.second.get();
  pair.second->peer_ = pair.first.get();
  return pair;
}

MemoryPort::MemoryPort(const MemoryPortOptions& options)
    : options_(options),
      buffers_(options.queue_frames, options.largest_frame),
      waiting_(options.queue_frames) {}

MemoryPort::~MemoryPort() {
  if (peer_ != nullptr) peer_->peer_ = nullptr;
}

size_t MemoryPort::receive(Instant, Batch& batch) {
  SLUICE_CHECK(handed_out_ == 0);
  size_t received = 0;
  while (batch.count < kBatchCapacity && handed_out_ < count_) {
    const size_t at = slot(handed_out_++);
    Packet& packet = batch.packets[batch.count++];
    packet = Packet{};
    packet.data = buffers_.frame(at);
    packet.length = waiting_[at].length;
    packet.offload = waiting_[at].offload;
    counters_.rx_bytes += packet.length;
    ++received;
  }
  counters_.rx_frames += received;
  return received;
}

void MemoryPort::release() {
  forget(handed_out_);
  handed_out_ = 0;
}

size_t MemoryPort::transmit(Instant, std::span<Packet* const> packets) {
  size_t sent = 0;
  for (; sent < packets.size() && peer_ != nullptr; ++sent) {
    const Packet& packet = *packets[sent];
    if (!peer_->inject({packet.data, packet.length}, packet.offload)) break;
    counters_.tx_bytes += packet.length;
  }
  counters_.tx_frames += sent;
  counters_.tx_refused += packets.size() - sent;
  return sent;
}

bool MemoryPort::inject(ConstByteSpan frame, const Offload& offload) {
  if (frame.size() > buffers_.largest()) {
    ++counters_.rx_truncated;
    return true;
  }
  if (count_ == options_.queue_frames) return false;
  const size_t at = slot(count_++);
  std::memcpy(buffers_.frame(at), frame.data(), frame.size());
  waiting_[at] = {static_cast<uint32_t>(frame.size()), offload};
  return true;
}

std::optional<MemoryFrame> MemoryPort::take() {
  SLUICE_CHECK(handed_out_ == 0);
  if (count_ == 0) return std::nullopt;
  const uint8_t* bytes = buffers_.frame(first_);
  const Waiting& waiting = waiting_[first_];
  MemoryFrame frame{{bytes, bytes + waiting.length}, waiting.offload};
  ++counters_.rx_frames;
  counters_.rx_bytes += waiting.length;
  forget(1);
  return frame;
}

size_t MemoryPort::discard() {
  SLUICE_CHECK(handed_out_ == 0);
  const size_t count = count_;
  forget(count);
  return count;
}

void MemoryPort::forget(size_t count) {
  first_ = slot(count);
  count_ -= count;
}

}  // namespace sluice
