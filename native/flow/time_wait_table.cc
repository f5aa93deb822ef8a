#include "flow/time_wait_table.h"

#include <algorithm>

#include "base/check.h"
#include "base/hash.h"
#include "wire/ip_protocol.h"

namespace sluice {

TimeWaitTable::TimeWaitTable(uint32_t capacity, uint64_t seed, Tick now)
    : hash_(seed),
      entries_(capacity),
      addresses_(capacity),
      buckets_(capacity),
      links_(capacity, 1),
      wheel_(links_, 0, now) {}

TimeWaitTable::Index TimeWaitTable::add(const FlowKey& key, const TcpWords& tcp, bool outbound,
                                        Tick now, Duration span) {
  SLUICE_CHECK(find(key) == kNone);
  const Index index = take_place();
  TimeWaitEntry& entry = entries_[index];
  entry = {};
  entry.ipv6 = !key.dst.is_v4();
  entry.outbound = outbound;
  if (entry.ipv6) {
    addresses_[index] = {key.src, key.dst};
  } else {
    entry.src_v4 = key.src.v4();
    entry.dst_v4 = key.dst.v4();
  }
  entry.src_port = key.src_port;
  entry.dst_port = key.dst_port;
  entry.tcp = tcp;
  if (++last_serial_ == 0) ++last_serial_;
  entry.serial = last_serial_;
  uint32_t& first = buckets_[bucket_of(key)];
  entry.next = first;
  first = index + 1;
  keep(index, now, span);
  return index;
}

// Rounded up.
void TimeWaitTable::keep(Index index, Tick now, Duration span) {
  const int64_t unit = kSpanUnit.nanoseconds();
  const int64_t units = (std::min(span, kLongest).nanoseconds() + unit - 1) / unit;
  entries_[index].span = static_cast<uint16_t>(units);
  restart(index, now);
}

void TimeWaitTable::restart(Index index, Tick now) {
  const auto unit = static_cast<Tick>(kSpanUnit.milliseconds());
  wheel_.arm(index, now + entries_[index].span * unit);
}

TimeWaitTable::Index TimeWaitTable::take_place() {
  if (free_ == 0 && high_water_ < links_.capacity()) return high_water_++;
  if (free_ == 0) {
    remove(wheel_.first());
    ++evicted_;
  }
  const Index index = free_ - 1;
  free_ = entries_[index].next;
  return index;
}

TimeWaitTable::Index TimeWaitTable::find(const FlowKey& key) const {
  if (count() == 0 || key.protocol != kProtocolTcp) return kNone;
  for (uint32_t named = buckets_[bucket_of(key)]; named != 0; named = entries_[named - 1].next) {
    if (matches(named - 1, key)) return named - 1;
  }
  return kNone;
}

bool TimeWaitTable::knows(Index index, uint32_t serial) const {
  return index < high_water_ && serial != 0 && entries_[index].serial == serial;
}

void TimeWaitTable::remove(Index index) {
  SLUICE_CHECK(index < high_water_ && entries_[index].serial != 0);
  wheel_.cancel(index);
  uint32_t* named = &buckets_[bucket_of(key_of(index))];
  while (*named != index + 1) named = &entries_[*named - 1].next;
  *named = entries_[index].next;
  entries_[index].serial = 0;
  entries_[index].next = free_;
  free_ = index + 1;
}

void TimeWaitTable::expire(Tick now) {
  wheel_.advance(now, [this](TimerId index) { remove(index); });
}

FlowKey TimeWaitTable::key_of(Index index) const {
  const TimeWaitEntry& entry = entries_[index];
  FlowKey key;
  key.src = entry.ipv6 ? addresses_[index].src : IpAddress::v4(entry.src_v4);
  key.dst = entry.ipv6 ? addresses_[index].dst : IpAddress::v4(entry.dst_v4);
  key.src_port = entry.src_port;
  key.dst_port = entry.dst_port;
  key.protocol = kProtocolTcp;
  return key;
}

bool TimeWaitTable::matches(Index index, const FlowKey& key) const {
  const TimeWaitEntry& entry = entries_[index];
  if (entry.src_port != key.src_port || entry.dst_port != key.dst_port) return false;
  if (entry.ipv6) return addresses_[index].src == key.src && addresses_[index].dst == key.dst;
  return key.dst.is_v4() && entry.src_v4 == key.src.v4() && entry.dst_v4 == key.dst.v4();
}

size_t TimeWaitTable::bucket_of(const FlowKey& key) const {
  const uint64_t ports = uint64_t{key.src_port} << 16 | key.dst_port;
  const uint64_t hash = mix64(hash_(key.src) ^ ports, hash_(key.dst) | 1);
  return (uint64_t{static_cast<uint32_t>(hash)} * buckets_.size()) >> 32;
}

}  // namespace sluice
