#pragma once

#include <array>
#include <cstdint>

#include "base/mapped_array.h"
#include "segment/bridge.h"
#include "segment/counters.h"
#include "segment/flows.h"
#include "segment/transmitter.h"
#include "stack/stack.h"
#include "tcp/segment_sink.h"

namespace sluice {

// Makes frames of the segments of our own connections: L4 ports and addresses from the flow entry,
// Ethernet addresses from the next hop, checksums left to the port. They are written where they
// leave from, and leave with the next flush(), as many at once as there were.
class SegmentFrames final : public SegmentSink {
 public:
  SegmentFrames(Flows& flows, Stack& stack, Transmitter& transmitter, Bridge* bridge,
                Counters& counters);

  // The time of what is sent from now on.
  void begin(Instant now) { now_ = now; }
  void send(LegIndex leg, const OutgoingSegment& segment) override;
  // After this nobody refers to what was sent.
  void flush() {
    transmitter_.flush(now_);
    used_ = 0;
  }

 private:
  // Enough that one system call takes many; few enough to stay in the cache.
  static constexpr size_t kFrames = 32;
  static constexpr size_t kFrame = (kHeadroom + kMaxFrame + 63) / 64 * 64;

  Packet& write(LegIndex leg, const OutgoingSegment& segment);
  void leave(NextHop next_hop, Packet& packet);

  Flows& flows_;
  Stack& stack_;
  Transmitter& transmitter_;
  Bridge* bridge_;
  Counters& counters_;
  Instant now_;
  size_t used_ = 0;
  MappedArray<uint8_t> bytes_;
  std::array<Packet, kFrames> packets_;
};

}  // namespace sluice
