#pragma once

#include "tcp/segment_sink.h"
#include "tcp/tcp_flow.h"
#include "tcp/tcp_segment.h"

namespace sluice {

// A connection in TIME-WAIT: nothing is left of it but its TcpFlow, and this file sees no other
// type (MEM-07; a rule test holds it to that).

enum class TimeWaitAnswer : uint8_t {
  none,      // nothing was sent and nothing changes
  answered,  // an ACK went out
  restart,   // and 2MSL begins anew (TCPX-48)
  reuse,     // a SYN of a new connection: the flow may be used again (RFC 6191)
};

// SEGMENT ARRIVES in TIME-WAIT (RFC 9293 3.10.7.4, RFC 1337, RFC 6191). `timestamp` is TSval now.
TimeWaitAnswer answer_in_time_wait(TcpFlow& flow, LegIndex leg, const TcpSegment& segment, Tick now,
                                   uint32_t timestamp, SegmentSink& sink);

}  // namespace sluice
