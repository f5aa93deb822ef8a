#pragma once

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/check.h"

namespace sluice {

// Wakes a thread that sleeps in poll(). Any thread may ring; the owner clears.
class Wakeup {
 public:
  Wakeup() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { SLUICE_CHECK(fd_ >= 0); }
  ~Wakeup() { ::close(fd_); }
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  int fd() const { return fd_; }
  void ring() {
    const uint64_t one = 1;
    // A full counter has rung already.
    [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
  }
  void clear() {
    uint64_t count;
    [[maybe_unused]] const ssize_t got = read(fd_, &count, sizeof count);
  }

 private:
  int fd_;
};

}  // namespace sluice
