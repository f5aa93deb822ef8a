#include "segment/hand_over.h"

#include <cstring>

#include "base/check.h"
#include "wire/ethernet.h"

namespace sluice {

namespace {

// What is shared is counted where it was received.
bool is_given(PacketOrigin origin) {
  return origin == PacketOrigin::handed_over || origin == PacketOrigin::assigned;
}

}  // namespace

WorkerTeam::WorkerTeam(const Steering& steering, size_t ring_bytes)
    : steering_(steering), sleepers_(new Sleeper[steering.workers()]) {
  SLUICE_CHECK(size() >= 1 && size() <= 64);
  rings_.resize(size_t{size()} * size());
  for (uint32_t from = 0; from < size(); ++from) {
    for (uint32_t to = 0; to < size(); ++to) {
      if (from != to) rings_[from * size() + to] = std::make_unique<MessageRing>(ring_bytes);
    }
  }
}

void HandOver::give(uint32_t to, Packet& packet, PacketOrigin as) {
  SLUICE_CHECK(to != own_);
  if (!copy(to, packet, as)) return packet.drop(DropReason::hand_over_full);
  packet.verdict = Verdict::elsewhere;
  counters_.raise(Counter::handed_over);
  counters_.raise(Counter::handed_packets);
}

void HandOver::share(const Packet& packet) { offer_all(packet, PacketOrigin::overheard); }

void HandOver::tell_of_sender(const Packet& frame) {
  Packet header = frame;
  header.length = EthernetHeader(frame.data).payload().offset;
  header.offload = Offload{};
  offer_all(header, PacketOrigin::sender);
}

void HandOver::offer_all(const Packet& packet, PacketOrigin origin) {
  for (uint32_t to = 0; to < team_.size(); ++to) {
    if (to == own_) continue;
    const MessageRing& ring = team_.ring(own_, to);
    if (ring.unread() < ring.capacity() / 2) (void)copy(to, packet, origin);
  }
}

bool HandOver::copy(uint32_t to, const Packet& packet, PacketOrigin origin) {
  const ByteSpan room = team_.ring(own_, to).reserve(kFrame + packet.length);
  if (room.empty()) return false;
  const Record record{packet.offload, packet.length, packet.in_port, origin, head_of(packet)};
  std::memcpy(room.data(), &record, sizeof record);
  std::memcpy(room.data() + kFrame, packet.data, packet.length);
  team_.ring(own_, to).commit();
  given_to_ |= uint64_t{1} << to;
  return true;
}

void HandOver::wake() {
  for (uint32_t to = 0; given_to_ != 0; ++to, given_to_ >>= 1) {
    if (given_to_ & 1) team_.sleeper(to).wake();
  }
}

bool HandOver::take(uint32_t from, Batch& batch) {
  MessageRing& ring = team_.ring(from, own_);
  batch.count = 0;
  while (batch.count < kBatchCapacity) {
    const ByteSpan message = ring.next();
    if (message.empty()) break;
    Record record;
    std::memcpy(&record, message.data(), sizeof record);
    Packet& packet = batch.packets[batch.count++];
    packet = Packet{};
    packet.data = message.data() + kFrame;
    packet.length = record.length;
    packet.offload = record.offload;
    packet.in_port = record.in_port;
    packet.origin = record.origin;
    complete_key(packet, record.head);
    if (is_given(record.origin)) counters_.lower(Counter::handed_packets);
  }
  return batch.count > 0;
}

}  // namespace sluice
