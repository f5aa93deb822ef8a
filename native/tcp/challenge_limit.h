#pragma once

#include <cstdint>

#include "base/instant.h"
#include "base/random.h"

namespace sluice {

// How many segments a second are sent in answer to what may be forged (RFC 5961 7): around a
// hundred for all connections together. How many exactly is drawn each second, so that counting
// the answers tells nobody whether a connection was hit (CVE-2016-5696).
class ChallengeLimit {
 public:
  explicit ChallengeLimit(uint64_t seed) : random_(seed) {}

  bool allow(Instant now) {
    const int64_t second = now.nanoseconds() / 1'000'000'000;
    if (second != second_ || !begun_) {
      begun_ = true;
      second_ = second;
      left_ = kAverage / 2 + static_cast<uint32_t>(random_.below(kAverage));
    }
    if (left_ == 0) return false;
    --left_;
    return true;
  }

 private:
  static constexpr uint32_t kAverage = 100;

  Random random_;
  int64_t second_ = 0;
  uint32_t left_ = 0;
  bool begun_ = false;
};

}  // namespace sluice
