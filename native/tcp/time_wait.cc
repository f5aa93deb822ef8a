#include "tcp/time_wait.h"

#include "tcp/segment_header.h"

namespace sluice {

namespace {

// The last ACK once more, with all that it had: numbers, window, timestamps, TOS (MEM-11).
void send_last_ack(const TcpFlow& flow, LegIndex leg, uint32_t timestamp, SegmentSink& sink) {
  SegmentHeader header;
  header.seq = flow.snd_nxt;
  header.ack = flow.rcv_nxt;
  header.flags = kTcpAck;
  header.window = flow.window;
  if (flow.agreed(TcpFlow::kTimestamps)) {
    header.has_timestamps = true;
    header.tsval = timestamp;
    header.tsecr = flow.ts_recent;
  }
  send_alone(sink, leg, header, flow.tos);
}

bool is_older(const TcpFlow& flow, const TcpSegment& segment) {
  return flow.agreed(TcpFlow::kTimestamps) && segment.has_timestamps &&
         static_cast<int32_t>(segment.tsval - flow.ts_recent) < 0;
}

// RFC 6191 2: a newer timestamp, or a higher sequence number where timestamps cannot tell.
bool opens_anew(const TcpFlow& flow, const TcpSegment& segment) {
  if ((segment.flags & (kTcpSyn | kTcpAck | kTcpFin)) != kTcpSyn) return false;
  const bool both = flow.agreed(TcpFlow::kTimestamps) && segment.has_timestamps;
  if (both && segment.tsval != flow.ts_recent) return !is_older(flow, segment);
  return segment.seq > flow.rcv_nxt;
}

}  // namespace

TimeWaitAnswer answer_in_time_wait(TcpFlow& flow, LegIndex leg, const TcpSegment& segment, Tick now,
                                   uint32_t timestamp, SegmentSink& sink) {
  // RFC 1337 3: a RST may be an old one, and TIME-WAIT is there to outlive it.
  if (segment.has(kTcpRst)) return TimeWaitAnswer::none;
  if (opens_anew(flow, segment)) return TimeWaitAnswer::reuse;
  // A pure ACK that is as it should be needs no answer: two TIME-WAITs would go on for ever.
  const bool expected =
      segment.length() == 0 && segment.seq == flow.rcv_nxt && !is_older(flow, segment);
  if (expected) return TimeWaitAnswer::none;
  const bool fin_again = segment.has(kTcpFin) && segment.end() == flow.rcv_nxt;
  if (fin_again && flow.agreed(TcpFlow::kTimestamps) && segment.has_timestamps &&
      !is_older(flow, segment)) {
    flow.ts_recent = segment.tsval;
    flow.ts_recent_age = now;
  }
  send_last_ack(flow, leg, timestamp, sink);
  return fin_again ? TimeWaitAnswer::restart : TimeWaitAnswer::answered;
}

}  // namespace sluice
