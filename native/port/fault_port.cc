#include "port/fault_port.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {

FaultPort::FaultPort(std::unique_ptr<Port> inner, uint64_t seed, const FaultOptions& receiving,
                     const FaultOptions& transmitting)
    : inner_(std::move(inner)),
      receiving_(receiving, Random(seed).next()),
      transmitting_(transmitting, Random(~seed).next()) {}

size_t FaultPort::receive(Instant now, Batch& batch) {
  SLUICE_CHECK(handed_out_count_ == 0);
  send_due(now);
  const size_t before = batch.count;
  size_t received;
  if (receiving_.options().any()) {
    admit_arrivals(now);
    received = hand_out(now, batch);
  } else {
    received = inner_->receive(now, batch);
  }
  counters_.rx_frames += received;
  for (size_t i = before; i < batch.count; ++i) counters_.rx_bytes += batch.packets[i].length;
  counters_.rx_truncated = inner_->counters().rx_truncated;
  counters_.rx_missed = inner_->counters().rx_missed + overflowed_;
  return received;
}

void FaultPort::admit_arrivals(Instant now) {
  arrivals_.count = 0;
  inner_->receive(now, arrivals_);
  for (const Packet& packet : arrivals_.all()) {
    if (receiving_.has_room()) {
      receiving_.admit(now, packet);
    } else {
      ++overflowed_;
    }
  }
  inner_->release();
}

size_t FaultPort::hand_out(Instant now, Batch& batch) {
  while (batch.count < kBatchCapacity && receiving_.next_due() <= now) {
    const FaultQueue::Held held = receiving_.take();
    batch.packets[batch.count++] = receiving_.packet_of(held);
    handed_out_[handed_out_count_++] = held;
  }
  return handed_out_count_;
}

void FaultPort::release() {
  if (!receiving_.options().any()) inner_->release();
  for (size_t i = 0; i < handed_out_count_; ++i) receiving_.give_back(handed_out_[i]);
  handed_out_count_ = 0;
}

size_t FaultPort::transmit(Instant now, std::span<Packet* const> packets) {
  size_t accepted = 0;
  if (transmitting_.options().any()) {
    while (accepted < packets.size() && transmitting_.has_room()) {
      transmitting_.admit(now, *packets[accepted++]);
    }
    send_due(now);
  } else {
    accepted = inner_->transmit(now, packets);
  }
  counters_.tx_frames += accepted;
  for (size_t i = 0; i < accepted; ++i) counters_.tx_bytes += packets[i]->length;
  counters_.tx_refused += packets.size() - accepted;
  return accepted;
}

void FaultPort::send_due(Instant now) {
  while (transmitting_.next_due() <= now) {
    const FaultQueue::Held held = transmitting_.take();
    Packet packet = transmitting_.packet_of(held);
    Packet* const one[] = {&packet};
    if (inner_->transmit(now, one) == 0) {
      transmitting_.put_back(held);
      return;
    }
    transmitting_.give_back(held);
  }
}

Instant FaultPort::deadline() const {
  return std::min({inner_->deadline(), receiving_.next_due(), transmitting_.next_due()});
}

}  // namespace sluice
