#pragma once

#include <array>
#include <cstdint>

#include "base/mapped_array.h"
#include "base/random.h"
#include "segment/bridge.h"
#include "segment/counters.h"
#include "segment/flows.h"
#include "segment/transmitter.h"
#include "stack/stack.h"
#include "tcp/segment_sink.h"

namespace sluice {

// Makes frames of the segments and datagrams of our own legs: L4 ports and addresses from the flow
// entry, Ethernet addresses from the next hop, checksums left to the port. They are written where
// they leave from, and leave with the next flush(), as many at once as there were.
class SegmentFrames final : public SegmentSink {
 public:
  SegmentFrames(Flows& flows, Stack& stack, Transmitter& transmitter, Bridge* bridge,
                Counters& counters, uint64_t seed);

  // The time of what is sent from now on.
  void begin(Instant now) { now_ = now; }
  void send(LegIndex leg, const OutgoingSegment& segment) override;
  // One of no leg, from the end that takes packets of `arrives`.
  void send_answer(const FlowKey& arrives, NextHop next_hop, const OutgoingSegment& segment);
  // One of no leg and no next hop, to the station that `arrived` came from.
  void send_back(const Packet& arrived, const Link& link, const OutgoingSegment& segment);
  // Over IPv4 one that is larger than the link is cut into fragments; all others are lost that IP,
  // or over IPv6 the link, is too small for.
  void send_datagram(LegIndex leg, NextHop next_hop, ConstByteSpan datagram);
  // The most that a datagram carries in one packet on a link.
  static uint16_t largest_datagram(bool v4, uint16_t mtu);
  // After this nobody refers to what was sent.
  void flush() {
    transmitter_.flush(now_);
    used_ = 0;
  }

 private:
  // Enough that one system call takes many; few enough to stay in the cache.
  static constexpr size_t kFrames = 32;
  static constexpr size_t kFrame = (kHeadroom + kMaxFrame + 63) / 64 * 64;

  Packet& start(const FlowKey& key, uint8_t tos, size_t l4_size, uint16_t& sum);
  Packet& write(const FlowKey& key, const OutgoingSegment& segment);
  void leave(NextHop next_hop, Packet& packet);

  Flows& flows_;
  Stack& stack_;
  Transmitter& transmitter_;
  Bridge* bridge_;
  Counters& counters_;
  Instant now_;
  Random random_;
  size_t used_ = 0;
  MappedArray<uint8_t> bytes_;
  std::array<Packet, kFrames> packets_;
};

}  // namespace sluice
