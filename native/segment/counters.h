#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "packet/packet.h"

namespace sluice {

// Counters and gauges in the order of counters.def: counters first, then gauges.
enum class Counter : uint8_t {
#define COUNTER(name, text) name,
#define GAUGE(name, text)
#include "segment/counters.def"
#undef COUNTER
#undef GAUGE
#define COUNTER(name, text)
#define GAUGE(name, text) name,
#include "segment/counters.def"
#undef COUNTER
#undef GAUGE
  count
};

// The figures of one segment. One worker writes, without locked instructions; any thread reads
// each value whole.
class Counters {
 public:
  static constexpr size_t kCounters = static_cast<size_t>(Counter::count);
  static constexpr size_t kDropReasons = static_cast<size_t>(DropReason::count);
  static constexpr size_t kSize = kCounters + kDropReasons;

  void raise(Counter counter, uint64_t by = 1) { add(static_cast<size_t>(counter), by); }
  void raise(DropReason reason, uint64_t by = 1) {
    add(kCounters + static_cast<size_t>(reason), by);
  }
  void lower(Counter gauge, uint64_t by = 1) { add(static_cast<size_t>(gauge), -by); }
  void set(Counter gauge, uint64_t value) {
    values_[static_cast<size_t>(gauge)].store(value, std::memory_order_relaxed);
  }

  uint64_t read(size_t index) const { return values_[index].load(std::memory_order_relaxed); }
  uint64_t read(Counter counter) const { return read(static_cast<size_t>(counter)); }
  uint64_t read(DropReason reason) const { return read(kCounters + static_cast<size_t>(reason)); }
  uint64_t dropped() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < kDropReasons; ++i) sum += read(kCounters + i);
    return sum;
  }

 private:
  void add(size_t index, uint64_t by) {
    values_[index].store(read(index) + by, std::memory_order_relaxed);
  }
  std::array<std::atomic<uint64_t>, kSize> values_{};
};

}  // namespace sluice
