#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "flow/flow_entry.h"
#include "wire/tcp.h"

namespace sluice {

// A segment to be sent. L4 ports and the checksum of the header are zero: the ports are the flow
// entry's, and the checksum may be left to the port.
struct OutgoingSegment {
  uint8_t* header;  // a TcpHeader with its options
  size_t header_length;
  std::span<const ConstByteSpan> payload;  // in order; valid during the call
  uint32_t payload_length = 0;
  uint16_t gso_size = 0;  // of a super-packet, what each segment on the wire carries; else 0
  uint8_t tos = 0;        // DSCP and ECN bits, or the traffic class of IPv6
};

// Where segments go. What it cannot send is lost, as on any path.
class SegmentSink {
 public:
  virtual ~SegmentSink() = default;
  virtual void send(LegIndex leg, const OutgoingSegment& segment) = 0;
};

}  // namespace sluice
