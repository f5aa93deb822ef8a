#pragma once

#include <cstdint>

#include "flow/flow_entry.h"

namespace sluice {

// What tracking needs of a TCP segment, in host order.
struct TrackedSegment {
  uint8_t flags = 0;  // as in the TCP header
  uint32_t seq = 0;
  uint32_t ack = 0;                              // meaningless without the ACK flag
  uint16_t window = 0;                           // as on the wire
  uint32_t length = 0;                           // sequence space: payload, SYN and FIN
  uint8_t window_scale = LegTcpState::kNoScale;  // of a SYN's option
  bool open_end = false;                         // it may be shorter
};

// What a segment changed for the flow.
enum class TrackEvent : uint8_t {
  none,
  established,  // both sides have sent and acknowledged
  closing,      // the first FIN was accepted
  closed,       // both FINs are acknowledged
  reset,        // a RST that its receiver obeys
  refused,      // new bytes, or a FIN, that its receiver does not take: they are not followed
};

// Whether an open connection's segment, neither SYN nor RST, says what its sender may have sent: it
// acknowledges something that was sent, and ends within the receiver's window.
bool is_believable(const FlowEntry& from, const FlowEntry& to, const TrackedSegment& segment);

// Follows a connection that others run, by what passes (HS-22). `from` is the leg that the segment
// arrived on, `to` the other. A FIN outside the receiver's window or a RST that is not exactly
// where the receiver is changes nothing (HS-28): the hosts at the ends decide on it, we only
// forward it.
TrackEvent track_tcp(FlowEntry& from, FlowEntry& to, const TrackedSegment& segment);

}  // namespace sluice
