#include "timer/timer_wheel.h"

namespace sluice {

void TimerWheel::arm(TimerId id, Tick deadline) {
  if (links_.armed(id)) {
    links_.unlink(id);
  } else {
    ++count_;
  }
  links_.links_[id].deadline = tick_before(now_, deadline) ? deadline : now_ + 1;
  place(id);
}

void TimerWheel::cancel(TimerId id) {
  if (!links_.armed(id)) return;
  links_.unlink(id);
  --count_;
}

// A timer stands in the lowest level whose slots still tell its deadline apart from now: level L
// covers deadlines that share all bits above 8(L+1) with now.
void TimerWheel::place(TimerId id) {
  const Tick deadline = links_.links_[id].deadline;
  const Tick differing = deadline ^ now_;
  const int level = differing < (1u << 8)    ? 0
                    : differing < (1u << 16) ? 1
                    : differing < (1u << 24) ? 2
                                             : 3;
  const uint32_t position = (deadline >> (8 * level)) & (kSlots - 1);
  occupied_[level][position / 64] |= uint64_t{1} << (position % 64);
  links_.append(slot(level, position), id);
}

// Goes to the next tick that needs work, at most to `limit`: one with a timer due, or one at which
// a slot of a higher level has to be spread over the lower ones.
void TimerWheel::step(Tick limit) {
  const Tick next = next_tick(limit);
  const Tick before = now_;
  now_ = tick_before(limit, next) ? limit : next;
  const Tick changed = before ^ now_;
  if (changed >> 24) cascade(3);
  if (changed >> 16) cascade(2);
  if (changed >> 8) cascade(1);
  const uint32_t position = now_ & (kSlots - 1);
  const uint32_t due = slot(0, position);
  while (!links_.list_empty(due)) {
    const uint32_t id = links_.next(due);
    links_.unlink(id);
    links_.append(firing_list(), id);
  }
  clear_occupied(0, position);
}

void TimerWheel::cascade(int level) {
  const uint32_t position = (now_ >> (8 * level)) & (kSlots - 1);
  const uint32_t from = slot(level, position);
  while (!links_.list_empty(from)) {
    const uint32_t id = links_.next(from);
    links_.unlink(id);
    place(id);
  }
  clear_occupied(level, position);
}

TimerId TimerWheel::take_due() {
  if (links_.list_empty(firing_list())) return kNoTimer;
  const TimerId id = links_.next(firing_list());
  links_.unlink(id);
  --count_;
  return id;
}

// Position of the first slot after now's with timers, or -1. All deadlines of a level lie ahead of
// now's own position in it; only level 3 wraps.
int TimerWheel::first_in_level(int level) const {
  const uint32_t here = (now_ >> (8 * level)) & (kSlots - 1);
  for (uint32_t ahead = 1; ahead < kSlots;) {
    const uint32_t position = (here + ahead) & (kSlots - 1);
    const uint64_t word = occupied_[level][position / 64] >> (position % 64);
    if (word == 0) {
      ahead += 64 - position % 64;
      continue;
    }
    ahead += static_cast<uint32_t>(__builtin_ctzll(word));
    if (ahead >= kSlots) return -1;
    const uint32_t found = (here + ahead) & (kSlots - 1);
    if (!links_.list_empty(slot(level, found))) return static_cast<int>(found);
    ++ahead;
  }
  return -1;
}

Tick TimerWheel::next_tick(Tick none) const {
  for (int level = 0; level < kLevels; ++level) {
    const int found = first_in_level(level);
    if (found < 0) continue;
    const int shift = 8 * level;
    const Tick here = now_ >> shift;
    const Tick ahead = (static_cast<Tick>(found) - here) & (kSlots - 1);
    return (here + ahead) << shift;
  }
  return none;
}

TimerId TimerWheel::first() const {
  for (int level = 0; level < kLevels; ++level) {
    const int found = first_in_level(level);
    if (found >= 0) return links_.next(slot(level, static_cast<uint32_t>(found)));
  }
  return kNoTimer;
}

}  // namespace sluice
