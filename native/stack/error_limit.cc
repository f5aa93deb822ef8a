#include "stack/error_limit.h"

#include <cstring>

namespace sluice {

bool ErrorLimit::allows(Instant now, const IpAddress& destination) {
  const Duration interval = Duration::microseconds(1'000'000 / rates_.per_second);
  const Duration interval_of_all = Duration::microseconds(1'000'000 / rates_.per_second_of_all);
  Bucket& one = of(destination);
  if (!one.has_one(now, interval, rates_.burst)) return false;
  if (!all_.has_one(now, interval_of_all, rates_.burst_of_all)) return false;
  one.take(now, interval, 1);
  all_.take(now, interval_of_all, 1 + static_cast<int>(random_.below(3)));
  return true;
}

// A host has all of an IPv6 network's addresses for itself.
ErrorLimit::Bucket& ErrorLimit::of(const IpAddress& destination) {
  IpAddress network = destination;
  if (!destination.is_v4()) std::memset(network.bytes.data() + 8, 0, 8);
  return each_[hash_(network) % each_.size()];
}

}  // namespace sluice
