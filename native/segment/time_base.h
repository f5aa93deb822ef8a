#pragma once

#include <cstdint>

#include "base/instant.h"
#include "timer/timer_wheel.h"

namespace sluice {

// Ties the clocks of one run together: ticks for timers, microseconds since 1970 for messages. The
// wall clock is read once, at the start; its later steps move nothing (TCPX-80).
class TimeBase {
 public:
  TimeBase(Instant start, uint64_t wall_start_us) : start_(start), wall_start_us_(wall_start_us) {}

  Tick tick(Instant now) const { return static_cast<Tick>((now - start_).milliseconds()); }
  uint64_t wall_us(Instant now) const {
    return wall_start_us_ + static_cast<uint64_t>((now - start_).microseconds());
  }
  // Of a tick in the past 24 days.
  uint64_t wall_us(Instant now, Tick past) const {
    return wall_us(now) - uint64_t{tick(now) - past} * 1000;
  }

 private:
  Instant start_;
  uint64_t wall_start_us_;
};

}  // namespace sluice
