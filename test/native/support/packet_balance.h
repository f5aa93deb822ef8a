#pragma once

#include <cstdint>

#include "segment/counters.h"

namespace sluice::test {

// Law 9: every packet received has one fate. `count(counter)` and `dropped` are of one worker, or
// of all together.
template <class Count>
bool every_packet_has_one_fate(Count&& count, uint64_t dropped) {
  return count(Counter::received) ==
         count(Counter::forwarded) + count(Counter::delivered) + dropped +
             count(Counter::waiting_packets) + count(Counter::waiting_fragments) +
             count(Counter::neighbor_packets) + count(Counter::handed_packets);
}

}  // namespace sluice::test
