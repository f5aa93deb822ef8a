#include "segment/waiting_room.h"

namespace sluice {

WaitingRoom::WaitingRoom(uint32_t places, uint32_t packets_per_flow, PacketPool& pool,
                         Counters& counters)
    : packets_per_flow_(packets_per_flow), pool_(pool), counters_(counters), places_(places) {}

WaitingRoom::Place WaitingRoom::enter() {
  Place place = free_head_;
  if (place != kNoPlace) {
    free_head_ = places_[place].next_free;
  } else if (fresh_ < places_.size()) {
    place = fresh_++;
  } else {
    return kNoPlace;
  }
  places_[place] = Slot{};
  counters_.raise(Counter::waiting_flows);
  return place;
}

void WaitingRoom::join(Place place, Packet& packet) {
  PacketQueue& queue = places_[place].queue;
  if (queue.size() >= packets_per_flow_) return packet.drop(DropReason::waiting_flow_full);
  PooledPacket* copy = pool_.copy(packet);
  if (copy == nullptr) return packet.drop(DropReason::pool_exhausted);
  queue.push(copy);
  counters_.raise(Counter::waiting_packets);
}

PacketQueue WaitingRoom::leave(Place place) {
  const PacketQueue packets = places_[place].queue;
  places_[place].next_free = free_head_;
  free_head_ = place;
  counters_.lower(Counter::waiting_flows);
  return packets;
}

void WaitingRoom::give_back(Place place) {
  PacketQueue packets = leave(place);
  while (!packets.empty()) done(packets.pop());
}

void WaitingRoom::dismiss(Place place, DropReason reason) {
  PacketQueue packets = leave(place);
  while (!packets.empty()) {
    counters_.raise(reason);
    done(packets.pop());
  }
}

void WaitingRoom::done(PooledPacket* packet) {
  counters_.lower(Counter::waiting_packets);
  pool_.free(packet);
}

}  // namespace sluice
