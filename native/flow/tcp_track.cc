#include "flow/tcp_track.h"

#include <algorithm>

#include "wire/seq.h"
#include "wire/tcp.h"

namespace sluice {

namespace {

// Window scaling holds only if both SYNs offered it (RFC 7323 2.2).
uint8_t scale_of(const FlowEntry& receiver, const FlowEntry& sender) {
  const uint8_t scale = receiver.tcp.scale();
  const bool both = scale != LegTcpState::kNoScale && sender.tcp.scale() != LegTcpState::kNoScale;
  return both ? scale : 0;
}

// Bytes that the sender of `receiver` lets the other side send beyond its acknowledgement.
uint32_t window_of(const FlowEntry& receiver, const FlowEntry& sender) {
  const uint32_t window = uint32_t{receiver.window} << scale_of(receiver, sender);
  return window == 0 ? 1 : window;
}

uint32_t scaled_up(uint32_t bytes, uint8_t scale) { return (bytes + (1u << scale) - 1) >> scale; }

// The window to remember with a new acknowledgement: a sender goes by the furthest right edge that
// it was offered, which a smaller or reordered window does not take back (RFC 9293 3.8.6).
uint16_t furthest_window(const FlowEntry& from, const FlowEntry& to,
                         const TrackedSegment& segment) {
  const uint8_t scale = scale_of(from, to);
  uint32_t window = segment.window;
  if (segment.flags & kTcpSyn) window = scaled_up(window, scale);  // a SYN's is never scaled
  if (from.tcp.has(LegTcpState::kAcked)) {
    const uint32_t edge = from.acked + (uint32_t{from.window} << scale);
    const int32_t open = Seq(edge) - Seq(segment.ack);
    if (open > 0) window = std::max(window, scaled_up(static_cast<uint32_t>(open), scale));
  }
  return static_cast<uint16_t>(std::min(window, uint32_t{0xffff}));
}

// Whether a sequence number lies where the receiver accepts it: from its acknowledgement to its
// right window edge.
bool in_window(const FlowEntry& from, const FlowEntry& to, uint32_t seq) {
  return seq - to.acked <= window_of(to, from);
}

// RFC 5961 3.2: a receiver obeys a RST only at exactly the next number that it expects, and answers
// others in its window with a challenge. That number is one between what it acknowledged last and
// the end of what was sent to it (TCPX-36).
bool reset_accepted(const FlowEntry& from, const FlowEntry& to, const TrackedSegment& segment) {
  if (to.tcp.has(LegTcpState::kAcked)) {
    const uint32_t end = from.tcp.has(LegTcpState::kSeen) ? from.seq_end : to.acked;
    return segment.seq - to.acked <= end - to.acked;
  }
  // The answer to a SYN (RFC 9293 3.10.7.3): it has to acknowledge that SYN.
  const bool answers = (segment.flags & kTcpAck) && to.tcp.has(LegTcpState::kSeen);
  if (answers) return segment.ack == to.seq_end;
  // A client that gives up before any answer.
  return from.tcp.has(LegTcpState::kSeen) && segment.seq == from.seq_end;
}

// RFC 5961 5.2: what a receiver takes acknowledges something that it has sent, and nothing older
// than the largest window that it was offered. Somebody who does not see the traffic has to guess
// that as well; whom the network puts out of order need not.
bool acknowledges_sent(const FlowEntry& from, const FlowEntry& to, const TrackedSegment& segment) {
  if (!to.tcp.has(LegTcpState::kSeen)) return true;
  if (!(segment.flags & kTcpAck) || Seq(segment.ack) > Seq(to.seq_end)) return false;
  const uint32_t largest = uint32_t{0xffff} << scale_of(from, to);
  return !from.tcp.has(LegTcpState::kAcked) || Seq(segment.ack) >= Seq(from.acked - largest);
}

// Where a segment ends at the most: nobody sends beyond the window.
uint32_t farthest_end(const FlowEntry& from, const FlowEntry& to, const TrackedSegment& segment) {
  const uint32_t end = segment.seq + segment.length;
  if (!segment.open_end || !to.tcp.has(LegTcpState::kAcked)) return end;
  const uint32_t edge = to.acked + window_of(to, from);
  return Seq(segment.seq) <= Seq(edge) && Seq(end) > Seq(edge) ? edge : end;
}

void note_sequence(FlowEntry& from, const FlowEntry& to, const TrackedSegment& segment) {
  if (from.tcp.has(LegTcpState::kFin)) return;
  const uint32_t end = farthest_end(from, to, segment);
  if (!from.tcp.has(LegTcpState::kSeen)) {
    // In the middle of a session the first to be seen may be sent again, and acknowledged already.
    const bool again = to.tcp.has(LegTcpState::kAcked) && Seq(to.acked) > Seq(end);
    from.seq_end = again ? to.acked : end;
    from.tcp.set(LegTcpState::kSeen);
  } else if (Seq(end) > Seq(from.seq_end) &&
             (!to.tcp.has(LegTcpState::kAcked) || in_window(from, to, end))) {
    from.seq_end = end;
  }
}

void note_acknowledgement(FlowEntry& from, const FlowEntry& to, const TrackedSegment& segment) {
  if (!(segment.flags & kTcpAck)) return;
  if (to.tcp.has(LegTcpState::kSeen) && Seq(segment.ack) > Seq(to.seq_end))
    return;  // of nothing sent
  if (from.tcp.has(LegTcpState::kAcked) && Seq(segment.ack) < Seq(from.acked)) return;
  from.window = furthest_window(from, to, segment);
  from.acked = segment.ack;
  from.tcp.set(LegTcpState::kAcked);
}

// The scale of a flow that was not seen from its start is unknown: the largest (RFC 7323 2.3) is
// assumed. A SYN before any acknowledgement begins the handshake anew.
void note_start(FlowEntry& from, FlowEntry& to, const TrackedSegment& segment) {
  const bool syn = (segment.flags & kTcpSyn) != 0;
  if (!from.tcp.has(LegTcpState::kSeen)) {
    from.tcp.set_scale(syn ? segment.window_scale : LegTcpState::kLargestScale);
  } else if (syn && !(segment.flags & kTcpAck) && !from.tcp.has(LegTcpState::kAcked)) {
    from.tcp = to.tcp = LegTcpState{};
    from.tcp.set_scale(segment.window_scale);
  }
}

bool both_open(const FlowEntry& a, const FlowEntry& b) {
  constexpr uint8_t kOpen = LegTcpState::kSeen | LegTcpState::kAcked;
  return a.tcp.has(kOpen) && b.tcp.has(kOpen);
}

bool accept_fin(FlowEntry& from, const FlowEntry& to, const TrackedSegment& segment) {
  const uint32_t end = segment.seq + segment.length;
  const bool acceptable = to.tcp.has(LegTcpState::kAcked) && in_window(from, to, end - 1);
  if (!(segment.flags & kTcpFin) || from.tcp.has(LegTcpState::kFin) || !acceptable) return false;
  from.seq_end = end;
  from.tcp.set(LegTcpState::kFin);
  return true;
}

// Whether it has bytes that nobody has sent as far as it is followed.
bool is_refused(const FlowEntry& from, const TrackedSegment& segment) {
  if ((segment.flags & kTcpSyn) || segment.length == 0 || segment.open_end) return false;
  return !from.tcp.has(LegTcpState::kFin) && Seq(segment.seq + segment.length) > Seq(from.seq_end);
}

}  // namespace

bool is_believable(const FlowEntry& from, const FlowEntry& to, const TrackedSegment& segment) {
  const uint32_t end = segment.seq + segment.length - ((segment.flags & kTcpFin) != 0);
  return acknowledges_sent(from, to, segment) && in_window(from, to, end);
}

TrackEvent track_tcp(FlowEntry& from, FlowEntry& to, const TrackedSegment& segment) {
  if (segment.flags & kTcpRst) {
    return reset_accepted(from, to, segment) ? TrackEvent::reset : TrackEvent::none;
  }
  const bool open_before = both_open(from, to);
  note_start(from, to, segment);
  const bool believed = !open_before || acknowledges_sent(from, to, segment);
  const bool first_fin =
      believed && accept_fin(from, to, segment) && !to.tcp.has(LegTcpState::kFin);
  if (believed) note_sequence(from, to, segment);
  note_acknowledgement(from, to, segment);
  if (to.tcp.has(LegTcpState::kFin) && from.tcp.has(LegTcpState::kAcked) &&
      from.acked == to.seq_end && !to.tcp.has(LegTcpState::kFinAcked)) {
    to.tcp.set(LegTcpState::kFinAcked);
    if (from.tcp.has(LegTcpState::kFinAcked)) return TrackEvent::closed;
  }
  if (first_fin) return TrackEvent::closing;
  if (!open_before && both_open(from, to)) return TrackEvent::established;
  return is_refused(from, segment) ? TrackEvent::refused : TrackEvent::none;
}

}  // namespace sluice
