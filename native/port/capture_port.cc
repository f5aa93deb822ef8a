#include "port/capture_port.h"

namespace sluice {
namespace {

// So that somebody who follows the file sees frames soon.
constexpr Duration kFlushInterval = Duration::milliseconds(500);

}  // namespace

CapturePort::CapturePort(std::unique_ptr<Port> inner, std::unique_ptr<PcapngWriter> writer,
                         Duration wall_clock_offset)
    : inner_(std::move(inner)),
      writer_(std::move(writer)),
      wall_clock_offset_(wall_clock_offset),
      interface_(writer_->add_interface(inner_->name())) {}

size_t CapturePort::receive(Instant now, Batch& batch) {
  const size_t before = batch.count;
  const size_t received = inner_->receive(now, batch);
  for (size_t i = before; i < batch.count; ++i) {
    record(now, CaptureDirection::inbound, batch.packets[i]);
  }
  if (now >= next_flush_) {
    writer_->flush();
    next_flush_ = now + kFlushInterval;
  }
  return received;
}

size_t CapturePort::transmit(Instant now, std::span<Packet* const> packets) {
  const size_t accepted = inner_->transmit(now, packets);
  for (const Packet* packet : packets.first(accepted)) {
    record(now, CaptureDirection::outbound, *packet);
  }
  return accepted;
}

void CapturePort::record(Instant now, CaptureDirection direction, const Packet& packet) {
  const auto wall_clock = static_cast<uint64_t>((now + wall_clock_offset_).nanoseconds());
  writer_->add_frame(interface_, wall_clock, direction, {packet.data, packet.length});
}

}  // namespace sluice
