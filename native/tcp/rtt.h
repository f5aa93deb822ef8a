#pragma once

#include <algorithm>
#include <cstdint>

#include "base/instant.h"

namespace sluice {

// RFC 6298, in microseconds: smoothed round-trip time, its variation, and what follows from them.
struct RttEstimate {
  static constexpr uint32_t kInitialRto = 1'000'000;  // RFC 6298 2.1
  static constexpr uint32_t kClockGranularity = 1'000;

  uint32_t srtt = 0;  // 0: no measurement yet
  uint32_t rttvar = 0;
  uint32_t rto = kInitialRto;  // before backing off
  uint32_t min_rtt = UINT32_MAX;

  // RFC 6298 2.2 and 2.3. `min_rto` bounds the result from below (2.4).
  void measure(Duration rtt, Duration min_rto, Duration max_rto) {
    const auto r = static_cast<uint32_t>(std::clamp<int64_t>(rtt.microseconds(), 1, 60'000'000));
    min_rtt = std::min(min_rtt, r);
    if (srtt == 0) {
      srtt = r;
      rttvar = r / 2;
    } else {
      const uint32_t difference = srtt > r ? srtt - r : r - srtt;
      rttvar = (3 * rttvar + difference) / 4;
      srtt = static_cast<uint32_t>((uint64_t{7} * srtt + r) / 8);
    }
    const uint32_t computed = srtt + std::max(kClockGranularity, 4 * rttvar);
    rto = std::clamp(computed, static_cast<uint32_t>(min_rto.microseconds()),
                     static_cast<uint32_t>(max_rto.microseconds()));
  }
  Duration smoothed() const { return Duration::microseconds(srtt); }
};

}  // namespace sluice
