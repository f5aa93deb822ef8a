// The part of Connections for spliced pairs that are to come back and find no connections to come
// back to: live ones are never the first to go (law 4), so they stay as they are until there are.

#include <utility>

#include "segment/connections.h"

namespace sluice {

bool Connections::has_room_to_return() const {
  return tcp_.connections.capacity() - tcp_.connections.used() >= 2 &&
         transitions_.used() < transitions_.capacity();
}

bool Connections::wants_back(PairIndex pair) {
  if (stage_of(pair) != PairStage::spliced || !has_both_ways(pair)) return false;
  const std::array<uint32_t, 2>& places = spliced_[pair].places;
  return sockets_[places[0]].returns || sockets_[places[1]].returns;
}

void Connections::wait_to_return(PairIndex pair) {
  counters_.raise(Counter::returns_postponed);
  if (spliced_[pair].next_waiting != 0) return;
  const uint32_t own = pair + 1;
  (first_waiting_ == 0 ? first_waiting_ : spliced_[last_waiting_ - 1].next_waiting) = own;
  spliced_[pair].next_waiting = last_waiting_ = own;
}

PairIndex Connections::take_first_waiting() {
  const PairIndex pair = first_waiting_ - 1;
  const uint32_t next = std::exchange(spliced_[pair].next_waiting, 0);
  first_waiting_ = next == pair + 1 ? 0 : next;
  return pair;
}

// So many a turn: where more have room, deadline() asks for the next one at once.
void Connections::take_back_waiting(Instant now) {
  for (size_t done = 0; done < kBatchCapacity && may_take_back(); ++done) {
    const PairIndex pair = take_first_waiting();
    if (!wants_back(pair)) continue;
    TcpTurn turn = at(now);
    begin_return(turn, pair);
  }
}

}  // namespace sluice
