// The part of Connections for spliced pairs that are to come back and find no connections to come
// back to: live ones are never the first to go (law 4), so they stay as they are until there are.

#include <algorithm>

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
  const auto end = waiting_.begin() + waiting_count_;
  if (end == waiting_.end() || std::find(waiting_.begin(), end, pair) != end) return;
  waiting_[waiting_count_++] = pair;
}

void Connections::take_back_waiting(Instant now) {
  size_t done = 0;
  while (done < waiting_count_ && has_room_to_return()) {
    const PairIndex pair = waiting_[done++];
    if (!wants_back(pair)) continue;
    TcpTurn turn = at(now);
    begin_return(turn, pair);
  }
  std::copy(waiting_.begin() + done, waiting_.begin() + waiting_count_, waiting_.begin());
  waiting_count_ -= done;
}

}  // namespace sluice
