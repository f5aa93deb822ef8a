#pragma once

#include <array>
#include <cstdint>

#include "base/instant.h"
#include "base/random.h"
#include "wire/address.h"
#include "wire/address_hash.h"

namespace sluice {

struct RateLimit {
  int burst, per_second;                // of one destination (an IPv6 destination is its /64)
  int burst_of_all, per_second_of_all;  // of one worker
};

// How many ICMP errors, or other answers, may leave (RFC 1812 4.3.2.8, RFC 4443 2.4 (f)): token
// buckets, one for each destination and one for all. Whoever is refused by the first takes nothing
// of the second, and what an error takes of it is random: so nobody finds out by what becomes of
// errors to himself whether others were sent some (the SAD DNS attack).
class ErrorLimit {
 public:
  // Of ICMP errors.
  static constexpr int kBurst = 20, kPerSecond = 50;
  static constexpr int kBurstOfAll = 200, kPerSecondOfAll = 2000;

  explicit ErrorLimit(uint64_t seed,
                      const RateLimit& rates = {kBurst, kPerSecond, kBurstOfAll, kPerSecondOfAll})
      : rates_(rates), hash_(seed), random_(seed) {}

  // Whether another one may go to `destination` now; takes its tokens if so.
  bool allows(Instant now, const IpAddress& destination);

 private:
  // A bucket is when it will be full again, at the rate at which it fills.
  class Bucket {
   public:
    // Whether one token is in a bucket that holds `burst` and gets one each `interval`.
    bool has_one(Instant now, Duration interval, int burst) const {
      return full_at_ <= now + interval * (burst - 1);
    }
    void take(Instant now, Duration interval, int tokens) {
      full_at_ = (full_at_ < now ? now : full_at_) + interval * tokens;
    }

   private:
    Instant full_at_;
  };

  Bucket& of(const IpAddress& destination);

  RateLimit rates_;
  AddressHash hash_;
  Random random_;
  Bucket all_;
  std::array<Bucket, 1024> each_;  // several destinations may share one
};

}  // namespace sluice
