#include "timer/timer_wheel.h"

#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "base/random.h"

namespace sluice {
namespace {

// Runs a wheel beside an ordered map for many random arms, cancels and jumps.
void compare_with_model(Tick start, Tick largest_span, uint64_t seed) {
  constexpr uint32_t kTimers = 500;
  TimerLinks links(kTimers, 1);
  TimerWheel wheel(links, 0, start);
  std::vector<Tick> deadline(kTimers);
  std::vector<bool> armed(kTimers, false);
  Random random(seed);
  Tick now = start;
  uint32_t fired = 0;
  for (int round = 0; round < 3000; ++round) {
    const auto id = static_cast<TimerId>(random.below(kTimers));
    if (random.chance(0.2)) {
      wheel.cancel(id);
      armed[id] = false;
    } else {
      deadline[id] = now + 1 + static_cast<Tick>(random.below(largest_span));
      wheel.arm(id, deadline[id]);
      armed[id] = true;
    }
    const Tick target = now + static_cast<Tick>(random.below(largest_span / 50 + 2));
    Tick last = now;
    wheel.advance(target, [&](TimerId due) {
      REQUIRE(armed[due]);
      REQUIRE_FALSE(tick_before(target, deadline[due]));
      REQUIRE_FALSE(tick_before(deadline[due], last));
      last = deadline[due];
      armed[due] = false;
      ++fired;
    });
    now = target;
    uint32_t count = 0;
    for (uint32_t i = 0; i < kTimers; ++i) {
      if (!armed[i]) continue;
      ++count;
      REQUIRE(tick_before(now, deadline[i]));
    }
    REQUIRE(wheel.count() == count);
  }
  CHECK(fired > 100);
}

TEST_CASE("FLOWLIFE-19 a timer fires at its tick, never early, in order, over every level") {
  for (const Tick span : {200u, 60'000u, 10'000'000u, 1'000'000'000u}) {
    CAPTURE(span);
    compare_with_model(0, span, span);
    compare_with_model(0xffffff00, span, span + 1);  // the tick counter wraps
  }
}

TEST_CASE("FLOWLIFE-19 100 000 flows expire within one tick of their deadline") {
  constexpr uint32_t kFlows = 100'000;
  TimerLinks links(kFlows, 1);
  TimerWheel wheel(links, 0, 0);
  Random random(1);
  std::vector<Tick> deadline(kFlows);
  for (uint32_t i = 0; i < kFlows; ++i) {
    deadline[i] = 1 + static_cast<Tick>(random.below(7'440'000));  // up to 2 h 4 min
    wheel.arm(i, deadline[i]);
  }
  uint32_t fired = 0;
  Tick now = 0;
  while (wheel.count() > 0) {
    now = wheel.next_tick(now);
    wheel.advance(now, [&](TimerId id) {
      REQUIRE(deadline[id] == now);
      ++fired;
    });
  }
  CHECK(fired == kFlows);
}

TEST_CASE("FLOWLIFE-19 a timer may be armed and cancelled while timers fire") {
  TimerLinks links(4, 1);
  TimerWheel wheel(links, 0, 100);
  wheel.arm(0, 110);
  wheel.arm(1, 110);
  wheel.arm(2, 110);
  std::vector<TimerId> order;
  wheel.advance(200, [&](TimerId id) {
    order.push_back(id);
    if (id == 0) wheel.cancel(1);
    if (id == 2 && order.size() < 4) wheel.arm(2, 0);  // in the past: fires at the next tick
  });
  CHECK(order == std::vector<TimerId>{0, 2, 2, 2});
  CHECK(wheel.count() == 0);
}

TEST_CASE("FLOWLIFE-04 the first timer of a wheel is the one due first") {
  TimerLinks links(1000, 2);
  TimerWheel wheel(links, 1, 5);
  CHECK(wheel.first() == kNoTimer);
  for (uint32_t i = 0; i < 1000; ++i) wheel.arm(i, 7'200'000 + i);
  CHECK(wheel.first() == 0);
  wheel.cancel(0);
  CHECK(wheel.first() == 1);
  wheel.arm(1, 9'000'000);
  CHECK(wheel.first() == 2);
}

}  // namespace
}  // namespace sluice
