#pragma once

#include <ctime>

#include "base/instant.h"

namespace sluice {

// The clocks of the host. Only the worker's loop and what starts it may include this (law 2).

inline Instant monotonic_now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return Instant::from_nanoseconds(int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

// How far the wall clock is ahead of the monotonic one. The closest of some readings counts: a
// thread may be interrupted between two clocks.
inline Duration wall_clock_offset() {
  Duration closest = Duration::nanoseconds(INT64_MAX);
  Duration offset;
  for (int i = 0; i < 5; ++i) {
    const Instant before = monotonic_now();
    timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    const Duration took = monotonic_now() - before;
    if (took > closest) continue;
    closest = took;
    offset = Duration::seconds(wall.tv_sec) + Duration::nanoseconds(wall.tv_nsec) -
             Duration::nanoseconds(before.nanoseconds());
  }
  return offset;
}

}  // namespace sluice
