#include "segment/transmitter.h"

namespace sluice {

Transmitter::Transmitter(Counters& counters) : counters_(counters) {}

void Transmitter::add_port(PortId id, Port* port) { lanes_[id].port = port; }

void Transmitter::queue(Instant now, PortId port, Packet& packet) {
  Lane& lane = lanes_[port];
  if (!fits(lane.port->capabilities(), packet)) return forward(now, port, packet);
  if (lane.count == lane.packets.size()) flush(now, lane);
  lane.packets[lane.count++] = &packet;
}

void Transmitter::flush(Instant now) {
  for (Lane& lane : lanes_) {
    if (lane.count > 0) flush(now, lane);
  }
}

void Transmitter::flush(Instant now, Lane& lane) {
  const size_t accepted = lane.port->transmit(now, {lane.packets.data(), lane.count});
  for (size_t i = 0; i < accepted; ++i) count_forwarded(*lane.packets[i]);
  counters_.raise(DropReason::transmit_failed, lane.count - accepted);
  lane.count = 0;
}

void Transmitter::forward(Instant now, PortId port, Packet& packet) {
  if (send(now, port, packet)) return count_forwarded(packet);
  counters_.raise(DropReason::transmit_failed);
}

bool Transmitter::send(Instant now, PortId port, Packet& packet) {
  Lane& lane = lanes_[port];
  if (lane.count > 0) flush(now, lane);
  Packet* one = &packet;
  return lane.port->transmit(now, {&one, 1}) == 1;
}

void Transmitter::count_forwarded(const Packet& packet) {
  counters_.raise(Counter::forwarded);
  counters_.raise(Counter::forwarded_bytes, packet.length);
}

bool Transmitter::fits(const PortCapabilities& port, const Packet& packet) const {
  if (packet.offload.needs_checksum && !port.checksum) return false;
  switch (packet.offload.gso_type) {
    case GsoType::none:
      return true;
    case GsoType::tcp4:
      return port.tso4;
    case GsoType::tcp6:
      return port.tso6;
    case GsoType::udp:
      return port.uso;
  }
  return false;
}

}  // namespace sluice
