#include "stack/error_limit.h"

#include <cstring>

namespace sluice {

bool ErrorLimit::allows(Instant now, const IpAddress& destination) {
  constexpr Duration kInterval = Duration::microseconds(1'000'000 / kPerSecond);
  constexpr Duration kIntervalOfAll = Duration::microseconds(1'000'000 / kPerSecondOfAll);
  Bucket& one = of(destination);
  if (!one.has_one(now, kInterval, kBurst)) return false;
  if (!all_.has_one(now, kIntervalOfAll, kBurstOfAll)) return false;
  one.take(now, kInterval, 1);
  all_.take(now, kIntervalOfAll, 1 + static_cast<int>(random_.below(3)));
  return true;
}

// A host has all of an IPv6 network's addresses for itself.
ErrorLimit::Bucket& ErrorLimit::of(const IpAddress& destination) {
  IpAddress network = destination;
  if (!destination.is_v4()) std::memset(network.bytes.data() + 8, 0, 8);
  return each_[hash_(network) % each_.size()];
}

}  // namespace sluice
