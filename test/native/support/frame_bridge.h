// Moves frames between two ports as they are, as a cable would.
#pragma once

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <set>

#include "packet/l4_checksum.h"
#include "packet/parse.h"
#include "port/port.h"

namespace sluice::test {

inline Instant now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return Instant::from_nanoseconds(time.tv_sec * 1'000'000'000 + time.tv_nsec);
}

// How long a test waits for what must come: it bounds the wait of one that fails, and decides
// nothing else.
class Patience {
 public:
  bool left() const { return now() < end_; }

 private:
  Instant end_ = now() + Duration::seconds(30);
};

// Waits until one of the ports has frames, or a little while: callers look again.
inline void wait_for_frames(const Port& a, const Port& b) {
  pollfd fds[] = {{a.wait_fd(), POLLIN, 0}, {b.wait_fd(), POLLIN, 0}};
  poll(fds, 2, 20);
}

class FrameBridge {
 public:
  FrameBridge(Port& a, Port& b) : a_(a), b_(b) {}

  void pump() {
    wait_for_frames(a_, b_);
    move(a_, b_);
    move(b_, a_);
  }

  uint32_t largest() const { return largest_; }
  const std::set<uint16_t>& gso_sizes() const { return gso_sizes_; }
  uint64_t partial() const { return partial_; }

 private:
  void move(Port& from, Port& to) {
    Batch batch;
    Packet* pointers[kBatchCapacity];
    from.receive(now(), batch);
    for (size_t i = 0; i < batch.count; ++i) {
      finish_checksum_of(batch.packets[i], to);
      pointers[i] = &batch.packets[i];
    }
    to.transmit(now(), {pointers, batch.count});
    from.release();
  }

  // What the engine does for a port that has not been told of open checksums, or takes none.
  void finish_checksum_of(Packet& packet, const Port& to) {
    if (packet.offload.checksum_unknown) parse(packet);
    note(packet);
    if (packet.offload.needs_checksum && !to.capabilities().checksum) complete_checksum(packet);
  }

  void note(const Packet& packet) {
    largest_ = std::max(largest_, packet.length);
    partial_ += packet.offload.needs_checksum;
    if (packet.offload.gso_type != GsoType::none) gso_sizes_.insert(packet.offload.gso_size);
  }

  Port& a_;
  Port& b_;
  uint32_t largest_ = 0;
  std::set<uint16_t> gso_sizes_;
  uint64_t partial_ = 0;
};

}  // namespace sluice::test
