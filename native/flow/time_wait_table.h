#pragma once

#include <cstddef>
#include <cstdint>

#include "base/instant.h"
#include "base/mapped_array.h"
#include "flow/flow_entry.h"
#include "packet/flow_key.h"
#include "timer/timer_wheel.h"
#include "wire/address.h"
#include "wire/address_hash.h"

namespace sluice {

// What is left of a connection that the engine ended and that has still to answer: its signature,
// and all that an answer is made of (MEM-04, MEM-08). It is in TIME-WAIT, or was given up before it
// was established.
struct TimeWaitEntry {
  // The signature of what arrives, but for its DSCP. The addresses of IPv6 stand apart.
  uint32_t src_v4;
  uint32_t dst_v4;
  uint16_t src_port;
  uint16_t dst_port;
  TcpWords tcp;
  uint32_t serial;  // tells it from others that had its place; 0: free
  uint32_t next;    // of its bucket, or of those that are free; +1
  uint16_t span;    // how long it answers, from when it was last begun anew; in kSpanUnit
  bool ipv6;
  bool outbound;  // the engine opened it
};
static_assert(sizeof(TimeWaitEntry) == 48, "with its timer and its share of the index 64 bytes");

// The TIME-WAITs of one worker. They take no place of a flow, and a packet meets them only where no
// flow has its signature. Where the table is full, the one that would end first gives way (MEM-18).
//
// Ownership: entries are the table's, and end by remove(), by time, or for want of room. Nothing is
// allocated after construction.
class TimeWaitTable {
 public:
  using Index = uint32_t;
  static constexpr Index kNone = 0xffffffff;
  static constexpr Duration kSpanUnit = Duration::milliseconds(4);
  static constexpr Duration kLongest = Duration::milliseconds(4 * 65535);

  TimeWaitTable(uint32_t capacity, uint64_t seed, Tick now);

  // One that takes packets of `key`, which no other does, for so long, at most kLongest.
  // `outbound`: the engine opened it.
  Index add(const FlowKey& key, const TcpWords& tcp, bool outbound, Tick now, Duration span);
  // Whatever the DSCP; kNone if there is none.
  Index find(const FlowKey& key) const;
  bool knows(Index index, uint32_t serial) const;
  // It answers for so long from now on, also where it begins anew.
  void keep(Index index, Tick now, Duration span);
  // 2MSL begins anew (TCPX-48).
  void restart(Index index, Tick now);
  void remove(Index index);
  // Ends those whose time is over.
  void expire(Tick now);
  Tick next_tick(Tick none) const { return wheel_.next_tick(none); }

  TimeWaitEntry& operator[](Index index) { return entries_[index]; }
  const TimeWaitEntry& operator[](Index index) const { return entries_[index]; }
  FlowKey key_of(Index index) const;

  uint32_t count() const { return wheel_.count(); }
  // Ended for want of room, ever.
  uint64_t evicted() const { return evicted_; }

 private:
  struct Addresses {
    IpAddress src, dst;
  };

  size_t bucket_of(const FlowKey& key) const;
  bool matches(Index index, const FlowKey& key) const;
  Index take_place();

  const AddressHash hash_;
  uint32_t free_ = 0;  // +1
  uint32_t high_water_ = 0;
  uint32_t last_serial_ = 0;
  uint64_t evicted_ = 0;
  MappedArray<TimeWaitEntry> entries_;
  MappedArray<Addresses> addresses_;  // of IPv6; never touched for IPv4
  MappedArray<uint32_t> buckets_;     // the first of each, +1
  TimerLinks links_;
  TimerWheel wheel_;
};

}  // namespace sluice
