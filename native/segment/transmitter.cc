#include "segment/transmitter.h"

#include <algorithm>
#include <bit>

#include "packet/fragmentation.h"
#include "packet/l4_checksum.h"
#include "packet/segmentation.h"

namespace sluice {

namespace {

// The pieces of a super-packet that are written before they are sent.
constexpr size_t kScratchPieces = 4;
constexpr size_t kScratchPiece = kHeadroom + kMaxFrame;

bool can_segment(const PortCapabilities& port, GsoType type) {
  switch (type) {
    case GsoType::none: return true;
    case GsoType::tcp4: return port.tso4;
    case GsoType::tcp6: return port.tso6;
    case GsoType::udp: return port.uso;
  }
  return false;
}

bool fits(const PortCapabilities& port, const Packet& packet) {
  return packet.wire_ip_length() <= port.mtu;
}

bool takes(const PortCapabilities& port, const Packet& packet) {
  return (!packet.offload.needs_checksum || port.checksum) &&
         can_segment(port, packet.offload.gso_type) && fits(port, packet);
}

}  // namespace

Transmitter::Transmitter(Counters& counters, LiveCapture& capture)
    : counters_(counters),
      capture_(capture),
      scratch_(new uint8_t[(kScratchPieces + 1) * kScratchPiece]) {}

void Transmitter::add_port(PortId id, Port* port) { lanes_[id].port = port; }

void Transmitter::queue(Instant now, PortId port, Packet& packet) {
  Lane& lane = lanes_[port];
  if (!takes(lane.port->capabilities(), packet)) return forward_alone(now, port, packet);
  if (lane.count == lane.packets.size()) flush(now, lane);
  lane.packets[lane.count++] = &packet;
}

// Several ports cannot have the same packet in their queues: each may write in front of it.
void Transmitter::queue_for_all(Instant now, uint32_t ports, Packet& packet) {
  if (std::has_single_bit(ports)) {
    return queue(now, static_cast<PortId>(std::countr_zero(ports)), packet);
  }
  if (send_to_all(now, ports, packet)) return count_sent(packet);
  count_lost(packet);
}

void Transmitter::flush(Instant now) {
  for (Lane& lane : lanes_) {
    if (lane.count > 0) flush(now, lane);
  }
}

size_t Transmitter::transmit(Instant now, const Lane& lane, std::span<Packet* const> packets) {
  const size_t accepted = lane.port->transmit(now, packets);
  capture_.sent(now, static_cast<PortId>(&lane - lanes_.data()), packets.first(accepted));
  return accepted;
}

// A port stops at a frame that it does not take: for lack of room, or because of that frame. So the
// one behind it gets a chance, and all are given up where that is refused as well.
void Transmitter::flush(Instant now, Lane& lane) {
  const std::span<Packet* const> packets(lane.packets.data(), lane.count);
  lane.count = 0;
  bool refused = false;
  for (size_t at = 0; at < packets.size();) {
    const size_t accepted = transmit(now, lane, packets.subspan(at));
    for (const Packet* packet : packets.subspan(at, accepted)) count_sent(*packet);
    at += accepted;
    if (at == packets.size()) return;
    const size_t given_up = refused && accepted == 0 ? packets.size() - at : 1;
    for (const Packet* packet : packets.subspan(at, given_up)) count_lost(*packet);
    at += given_up;
    refused = accepted == 0;
  }
}

void Transmitter::forward(Instant now, PortId port, std::span<Packet* const> packets) {
  for (Packet* packet : packets) queue(now, port, *packet);
  flush(now, lanes_[port]);
}

void Transmitter::forward_alone(Instant now, PortId port, Packet& packet) {
  if (send(now, port, packet)) return count_sent(packet);
  count_lost(packet);
}

bool Transmitter::send(Instant now, PortId port, Packet& packet) {
  Lane& lane = lanes_[port];
  if (lane.count > 0) flush(now, lane);
  const PortCapabilities& capabilities = lane.port->capabilities();
  if (packet.offload.gso_type != GsoType::none &&
      !(can_segment(capabilities, packet.offload.gso_type) && fits(capabilities, packet))) {
    return send_segmented(now, lane, packet);
  }
  if (!takes(capabilities, packet)) complete_checksum(packet);
  return fits(capabilities, packet) ? send_one(now, lane, packet)
                                    : send_fragmented(now, lane, packet);
}

bool Transmitter::send_to_all(Instant now, uint32_t ports, Packet& packet) {
  bool sent = false;
  for (; ports != 0; ports &= ports - 1) {
    sent |= send(now, static_cast<PortId>(std::countr_zero(ports)), packet);
  }
  return sent;
}

bool Transmitter::send_one(Instant now, Lane& lane, Packet& packet) {
  Packet* one = &packet;
  return transmit(now, lane, {&one, 1}) == 1;
}

// The super-packet counts as sent if all of its pieces were.
bool Transmitter::send_segmented(Instant now, Lane& lane, const Packet& super) {
  counters_.raise(Counter::software_segmented);
  const bool whole = fits(lane.port->capabilities(), super);
  const bool partial = whole && lane.port->capabilities().checksum;
  Segmenter segmenter(super,
                      partial ? Segmenter::Checksums::partial : Segmenter::Checksums::complete);
  bool sent = true;
  while (segmenter.remaining() > 0) {
    std::array<Packet, kScratchPieces> pieces;
    std::array<Packet*, kScratchPieces> pointers;
    const size_t count = std::min(segmenter.remaining(), kScratchPieces);
    for (size_t i = 0; i < count; ++i) {
      segmenter.next(scratch_.get() + i * kScratchPiece + kHeadroom, pieces[i]);
      pointers[i] = &pieces[i];
    }
    if (whole) {
      sent = transmit(now, lane, {pointers.data(), count}) == count && sent;
    } else {
      for (size_t i = 0; i < count; ++i) sent = send_fragmented(now, lane, pieces[i]) && sent;
    }
  }
  return sent;
}

// Only what may be cut comes here, and the last segment of a super-packet, which may be small. The
// packet counts as sent if all of its fragments were.
bool Transmitter::send_fragmented(Instant now, Lane& lane, Packet& packet) {
  if (fits(lane.port->capabilities(), packet)) return send_one(now, lane, packet);
  if (!may_be_fragmented(packet)) return false;
  counters_.raise(Counter::fragmented);
  Fragmenter fragmenter(packet, lane.port->capabilities().mtu);
  bool sent = true;
  while (fragmenter.remaining() > 0) {
    Packet piece;
    fragmenter.next(scratch_.get() + kScratchPieces * kScratchPiece + kHeadroom, piece);
    sent = send_one(now, lane, piece) && sent;
  }
  return sent;
}

void Transmitter::count_sent(const Packet& packet) {
  if (packet.origin == PacketOrigin::own) return counters_.raise(Counter::originated);
  counters_.raise(Counter::forwarded);
  counters_.raise(Counter::forwarded_bytes, packet.length);
}

void Transmitter::count_lost(const Packet& packet) {
  if (packet.origin == PacketOrigin::own) return counters_.raise(Counter::originated_lost);
  counters_.raise(DropReason::transmit_failed);
}

}  // namespace sluice
