#include "tcp/closed.h"

namespace sluice {

std::optional<SegmentHeader> answer_in_closed(const TcpSegment& segment) {
  if (segment.has(kTcpRst)) return std::nullopt;
  SegmentHeader reset;
  if (segment.has(kTcpAck)) {
    reset.seq = segment.ack;
    reset.flags = kTcpRst;
  } else {
    reset.ack = segment.end();
    reset.flags = kTcpRst | kTcpAck;
  }
  return reset;
}

}  // namespace sluice
