#pragma once

#include <cstdint>

#include "base/instant.h"
#include "timer/timer_wheel.h"

namespace sluice {

// Ties the clocks of one run together: ticks for timers, microseconds since 1970 for messages. How
// far the wall clock is ahead is read once, at the start; its later steps move nothing (TCPX-80).
class TimeBase {
 public:
  TimeBase(Instant start, Duration wall_clock_offset) : start_(start), offset_(wall_clock_offset) {}

  Tick tick(Instant now) const { return static_cast<Tick>((now - start_).milliseconds()); }
  uint64_t wall_us(Instant now) const {
    return static_cast<uint64_t>((now + offset_).nanoseconds() / 1000);
  }
  // The beginning of a tick in the past 24 days, the same whenever it is asked.
  uint64_t wall_us(Instant now, Tick past) const {
    const Duration until_now = Duration::milliseconds((now - start_).milliseconds());
    return wall_us(start_ + (until_now - Duration::milliseconds(tick(now) - past)));
  }

 private:
  Instant start_;
  Duration offset_;
};

}  // namespace sluice
