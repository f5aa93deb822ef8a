#pragma once

#include <cstdint>

#include "base/mapped_array.h"
#include "packet/packet_pool.h"
#include "segment/counters.h"
#include "timer/timer_wheel.h"

namespace sluice {

// The packets of flows that wait for a decision: in order, bounded per flow and in total, copied
// out of their port (DFS-18, 19). Places are numbered; a waiting flow holds one.
class WaitingRoom {
 public:
  using Place = uint32_t;
  static constexpr Place kNoPlace = 0xffffffff;

  WaitingRoom(uint32_t places, uint32_t packets_per_flow, PacketPool& pool, Counters& counters);

  // kNoPlace when all are taken.
  Place enter();
  // A copy of the packet joins the queue; where there is no room the packet is dropped.
  void join(Place place, Packet& packet);
  // How often a decision was asked for; raised by the caller.
  uint8_t& tries(Place place) { return places_[place].tries; }
  // Where the last QUERY about it ends in the outbox; 0 while none was sent. The caller's.
  uint64_t& asked(Place place) { return places_[place].asked; }
  PooledPacket* first(Place place) const { return places_[place].queue.front(); }

  // Frees a place whose flow could not begin. What joined it was a copy of a packet at hand, which
  // the caller answers for.
  void give_back(Place place);
  // Frees the place and gives its packets back to whoever resumes them.
  PacketQueue leave(Place place);
  // Frees the place; its packets are dropped for `reason`.
  void dismiss(Place place, DropReason reason);
  // Puts a packet that was taken by leave() back into the pool.
  void done(PooledPacket* packet);

 private:
  struct Slot {
    PacketQueue queue;
    uint64_t asked;
    Place next_free;
    uint8_t tries;
  };

  uint32_t packets_per_flow_;
  PacketPool& pool_;
  Counters& counters_;
  MappedArray<Slot> places_;
  Place free_head_ = kNoPlace;
  Place fresh_ = 0;
};

}  // namespace sluice
