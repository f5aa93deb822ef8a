#pragma once

#include <cstdint>

#include "base/mapped_array.h"

namespace sluice {

// The serials of one segment's flows (SSMB-11, 16): the top bit tells a data flow segment's from a
// control segment's, seven bits name the segment, 24 bits count. The count comes round, within
// minutes on a busy machine, while flows live for hours: a live flow's serial is passed over.
class Serials {
 public:
  explicit Serials(uint8_t node)
      : prefix_(0x80000000u | uint32_t{node} << 24), live_(kCount / 64), answered_(kCount / 64) {}

  // A serial that no live flow has. Fewer than 2^24 flows are live.
  uint32_t next() {
    do {
      counter_ = (counter_ + 1) & kCounterMask;
    } while (has(live_, counter_));
    keep(prefix_ | counter_);
    expect_answer(prefix_ | counter_);
    return prefix_ | counter_;
  }
  // A live flow has this serial, wherever it came from; and has it no more.
  void keep(uint32_t serial) {
    if (is_ours(serial)) word(live_, serial) |= bit(serial);
  }
  void give_back(uint32_t serial) {
    if (is_ours(serial)) word(live_, serial) &= ~bit(serial);
  }

  // A question that is repeated is answered as often: whether one that we asked with this serial
  // has had its answer.
  bool was_answered(uint32_t serial) { return is_ours(serial) && has(answered_, serial); }
  void answered(uint32_t serial) {
    if (is_ours(serial)) word(answered_, serial) |= bit(serial);
  }
  void expect_answer(uint32_t serial) {
    if (is_ours(serial)) word(answered_, serial) &= ~bit(serial);
  }

  // Whether we have made `serial` after that other one.
  bool issued_after(uint32_t serial, uint32_t other) const {
    const uint32_t ahead = (serial - other) & kCounterMask;
    return is_ours(serial) && is_ours(other) && ahead != 0 &&
           ahead <= ((counter_ - other) & kCounterMask);
  }

 private:
  static constexpr uint32_t kCount = 1u << 24;
  static constexpr uint32_t kCounterMask = kCount - 1;

  bool is_ours(uint32_t serial) const { return (serial & ~kCounterMask) == prefix_; }
  // A bit for each count.
  using Bits = MappedArray<uint64_t>;
  static bool has(Bits& bits, uint32_t serial) { return (word(bits, serial) & bit(serial)) != 0; }
  static uint64_t& word(Bits& bits, uint32_t serial) { return bits[(serial & kCounterMask) / 64]; }
  static uint64_t bit(uint32_t serial) { return uint64_t{1} << (serial % 64); }

  uint32_t prefix_;
  uint32_t counter_ = 0;
  Bits live_;
  Bits answered_;
};

}  // namespace sluice
