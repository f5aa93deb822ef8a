#pragma once

#include <poll.h>

#include <atomic>
#include <cstdint>
#include <span>

#include "base/instant.h"
#include "base/wakeup.h"

namespace sluice {

// The sleep of a worker, which any thread may end.
class Sleeper {
 public:
  // To be asked for before looking for work; what came since then keeps sleep() from sleeping.
  uint32_t wakes() const { return wakes_.load(); }
  // Sleeps until wake(), until one of the descriptors behind the first is readable, or until
  // `span` has passed. The first place of `descriptors` is for the sleeper itself.
  void sleep(uint32_t wakes, std::span<pollfd> descriptors, Duration span) {
    // In the one order of all sequentially consistent operations, either wake() sees `asleep_`, or
    // its count is seen here.
    asleep_.store(true);
    if (wakes_.load() == wakes) {
      descriptors[0] = {wakeup_.fd(), POLLIN, 0};
      const int64_t nanoseconds = span.nanoseconds();
      const timespec timeout{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
      ppoll(descriptors.data(), descriptors.size(), &timeout, nullptr);
      if (descriptors[0].revents != 0) wakeup_.clear();
    }
    asleep_.store(false);
  }
  void wake() {
    wakes_.fetch_add(1);
    if (asleep_.load()) wakeup_.ring();
  }

 private:
  Wakeup wakeup_;
  std::atomic<bool> asleep_{false};
  std::atomic<uint32_t> wakes_{0};
};

}  // namespace sluice
