// timer/: many deadlines, cheaply. A wheel of four levels of 256 slots with a tick of one
// millisecond: arming, cancelling and expiry are O(1), a deadline fires within its tick. Time is an
// argument. Knows nothing of what its timers mean.
#pragma once

#include <array>
#include <cstdint>

#include "base/mapped_array.h"

namespace sluice {

// Milliseconds since the worker started, modulo 2^32; compared by signed difference, so spans
// stay below 24 days.
using Tick = uint32_t;

inline bool tick_before(Tick a, Tick b) { return static_cast<int32_t>(a - b) < 0; }

using TimerId = uint32_t;
inline constexpr TimerId kNoTimer = 0xffffffff;

// The links of timers 0..capacity-1 and of the slots of every wheel over them. A timer is armed in
// at most one wheel; wheels that share one TimerLinks can pass timers to each other.
class TimerLinks {
 public:
  static constexpr uint32_t kSlotsPerWheel = 4 * 256 + 1;  // and one list of those being fired

  TimerLinks(uint32_t capacity, uint32_t wheels)
      : capacity_(capacity), links_(capacity + wheels * kSlotsPerWheel) {}

  uint32_t capacity() const { return capacity_; }
  bool armed(TimerId id) const { return links_[id].next != 0; }
  Tick deadline(TimerId id) const { return links_[id].deadline; }

 private:
  friend class TimerWheel;

  // Nodes are named by index + 1, so that the zeroed memory of a large, untouched table means
  // "not linked" and costs no page.
  struct Link {
    uint32_t next, previous;
    Tick deadline;
  };

  uint32_t next(uint32_t node) const { return links_[node].next - 1; }
  bool list_empty(uint32_t list) const {
    return links_[list].next == 0 || links_[list].next == list + 1;
  }
  void append(uint32_t list, uint32_t node) {
    if (links_[list].next == 0) links_[list].next = links_[list].previous = list + 1;
    const uint32_t last = links_[list].previous;
    links_[node].previous = last;
    links_[node].next = list + 1;
    links_[last - 1].next = node + 1;
    links_[list].previous = node + 1;
  }
  void unlink(uint32_t node) {
    Link& link = links_[node];
    links_[link.previous - 1].next = link.next;
    links_[link.next - 1].previous = link.previous;
    link.next = link.previous = 0;
  }

  uint32_t capacity_;
  MappedArray<Link> links_;
};

class TimerWheel {
 public:
  // `index` tells which of the wheels of `links` this one is.
  TimerWheel(TimerLinks& links, uint32_t index, Tick now)
      : links_(links),
        first_slot_(links.capacity() + index * TimerLinks::kSlotsPerWheel),
        now_(now) {}

  // Arms or re-arms a timer of this wheel. A deadline that is not in the future fires at the next
  // tick.
  void arm(TimerId id, Tick deadline);
  // Disarms a timer of this wheel; nothing happens if it is not armed.
  void cancel(TimerId id);

  // Calls fire(id), with the timer disarmed, for every deadline up to `now`, in the order of their
  // ticks. `fire` may arm and cancel any timer.
  template <class Fire>
  void advance(Tick now, Fire&& fire) {
    while (tick_before(now_, now)) {
      if (count_ == 0) {
        now_ = now;
        return;
      }
      step(now);
      while (true) {
        const TimerId id = take_due();
        if (id == kNoTimer) break;
        fire(id);
      }
    }
  }

  // The earliest tick at which advance() has something to do; `none` if no timer is armed.
  Tick next_tick(Tick none) const;

  // A timer among those due first: exact within 256 ticks of now, else the one armed first in the
  // earliest slot. kNoTimer when none is armed.
  TimerId first() const;

  uint32_t count() const { return count_; }

 private:
  static constexpr int kLevels = 4;
  static constexpr uint32_t kSlots = 256;

  uint32_t slot(int level, uint32_t position) const {
    return first_slot_ + static_cast<uint32_t>(level) * kSlots + position;
  }
  uint32_t firing_list() const { return first_slot_ + kLevels * kSlots; }
  void place(TimerId id);
  void step(Tick limit);
  void cascade(int level);
  void clear_occupied(int level, uint32_t position) {
    occupied_[level][position / 64] &= ~(uint64_t{1} << (position % 64));
  }
  TimerId take_due();
  int first_in_level(int level) const;

  TimerLinks& links_;
  uint32_t first_slot_;
  Tick now_;
  uint32_t count_ = 0;
  // Bit set: the slot may hold timers. Cleared when the slot is emptied by time.
  std::array<std::array<uint64_t, kSlots / 64>, kLevels> occupied_{};
};

}  // namespace sluice
