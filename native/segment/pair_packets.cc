// The part of Connections for the packets of a spliced pair that do not pass by the pipeline alone:
// in transition each speaks for bytes of ours and for bytes of the other end's. What is ours is
// taken out of it, and the rest passes.

#include <algorithm>

#include "flow/leg_rewrite.h"
#include "segment/connections.h"
#include "segment/transition_headers.h"
#include "segment/whole_packet.h"
#include "tcp/input.h"
#include "tcp/output.h"

namespace sluice {

namespace {

// Without SACK an acknowledgement that says the same once more is a sign of loss, unless it comes
// with bytes (RFC 5681 2), which are none of ours.
bool says_the_same(const Connection& c, const TcpSegment& segment) {
  if (c.flow->agreed(TcpFlow::kSack) || segment.length() == 0) return false;
  return segment.ack <= c.snd_una && uint32_t{segment.window} << c.flow->snd_wscale() == c.snd_wnd;
}

}  // namespace

// -- between the pipeline's look-up and its rewriting, and behind it

// What a damaged packet says would move the boundary of a way back to where its sender never was,
// and so would a fragment, whose checksum nobody knows.
bool Connections::passes(Instant now, LegIndex leg, Packet& packet) {
  if (!is_whole(packet)) return false;
  // What is behind these bytes may be the engine's yet, to hand on or to write (TCPX-26).
  if (packet.headers.tcp_flags & kTcpUrg) keep_urgent_pointer_within(packet);
  const FlowPair& flow = flows_.table().pair(pair_of(leg));
  if (flow.flags & FlowPair::kReported) cut_late_reports(leg, packet);
  if (!(flow.flags & (FlowPair::kInTransition | FlowPair::kCounted))) return true;
  TcpTurn turn = at(now);
  if (flow.flags & FlowPair::kCounted) stop_at_count(turn, leg, packet);
  if (packet.verdict != Verdict::none) return false;
  switch (stage_of(pair_of(leg))) {
    case PairStage::spliced: return true;
    case PairStage::draining:
      if (drains(turn, leg, packet)) return true;
      // What the other end need not hear was heard all the same.
      flows_.follow(now, leg, packet);
      if (is_spliced(pair_of(leg))) count_spliced(now, leg);
      break;
    case PairStage::returning:
      if (passes_back(turn, leg, packet)) return true;
      break;
    default: break;  // over, without memory to go on with
  }
  packet.verdict = Verdict::deliver;
  settles(now, leg);
  return false;
}

bool Connections::settles(Instant now, LegIndex leg) {
  const PairIndex pair = pair_of(leg);
  if (!is_spliced(pair)) return false;  // the packet has ended it
  count_spliced(now, leg);
  TcpTurn turn = at(now);
  if (stage_of(pair) != PairStage::spliced) {
    settle(turn, pair);
  } else if (wants_back(pair)) {
    begin_return(turn, pair);
  } else {
    return false;
  }
  return stage_of(pair) == PairStage::proxied;
}

// -- while what is ours drains

// Whether the packet is for the other end, as it is now. What our last word has overtaken on its
// way to us may know of less room than that told of; it has the same number, and would take it
// back.
bool Connections::drains(TcpTurn& turn, LegIndex leg, Packet& packet) {
  const TcpSegment segment = read_segment(packet);
  // The ends decide.
  if (segment.has(kTcpRst) || segment.has(kTcpSyn) || !segment.has(kTcpAck)) return true;
  const PairIndex pair = pair_of(leg);
  const uint32_t place = spliced_[pair].places[leg & 1];
  Connection& c = *connection_of(sockets_[place]);
  Connection& other = *connection_of(sockets_[spliced_[pair].places[1 - (leg & 1)]]);
  const bool was_draining = c.flight() > 0;
  const Seq boundary = c.flow->snd_nxt;
  const Seq start = transition_of(pair).start[leg & 1];
  // TCP is handed what it says of our bytes alone, with a sequence number of ours: nobody who does
  // not know both numbers says anything of them (RFC 5961 5.2).
  const bool is_heard = is_believable(leg, segment);
  if (was_draining && is_heard && !says_the_same(c, segment)) {
    const TcpSegment ours = acknowledgement_before(segment, boundary, c.flow->rcv_nxt);
    after(turn, place, segment_arrives(turn, c, ours));
    if (!sockets_[place].spliced) return false;
  }
  if (segment.seq < start) {
    // Ours has not reached him, or he asks whether we are alive. What he says again of bytes that
    // we have acknowledged is not what we say at their place: he is told where to begin.
    if (segment.length() > 0 || segment.seq + 1 == start) send_ack(turn, c);
    return false;
  }
  const bool clamps = segment.ack < boundary;
  bool news = clamps && clamp_acknowledgement(packet, boundary, c.flow->snd_wscale());
  if (!clamps) cut_reports_before(packet, boundary);
  echo_theirs(leg, packet);
  raise_window(packet, other.rcv_adv - leg_offsets(flows_.table(), leg).ack, c.flow->snd_wscale());
  news |= is_heard && note_told(leg, packet, c, other);
  // What acknowledges bytes of ours alone is no duplicate to him who knows nothing of them.
  return news || segment.length() > 0 || (!was_draining && segment.ack >= boundary);
}

// To the other end nothing is echoed but its own clock: it may measure by what is acknowledged.
// What echoes a timestamp of ours stands for the last one that we had from it.
void Connections::echo_theirs(LegIndex leg, Packet& packet) {
  const PairIndex pair = pair_of(leg);
  const LegIndex other = other_leg(leg);
  if (!transition_of(pair).flow[leg & 1].agreed(TcpFlow::kTimestamps)) return;
  const uint32_t shift = leg_offsets(flows_.table(), leg).tsecr;
  const uint32_t newest = flows_.shown(other).tsval;
  clamp_echo(packet, transition_of(pair).clock[other & 1] - shift, newest - shift);
}

// What the other end is told of its own bytes: the segments that we repeat to it say the same.
bool Connections::note_told(LegIndex leg, const Packet& packet, const Connection& c,
                            Connection& other) {
  const TcpHeader tcp(packet.at(packet.headers.l4));
  const uint8_t scale = other.flow->rcv_wscale();
  const uint32_t window = uint32_t{tcp.window()} << c.flow->snd_wscale();
  const Seq ack = tcp.ack() + leg_offsets(flows_.table(), leg).ack;
  const Seq edge = ack + (std::min<uint32_t>(window >> scale, 65535) << scale);
  // As nobody acknowledges what was never sent, it is no reason to offer more, either.
  const LegIndex sender = other_leg(leg);
  const uint32_t moved = is_client_leg(sender) ? 0 : flows_.table().offsets(pair_of(leg)).ack;
  if (ack > flows_.shown(sender).seq_end + moved) return false;
  const bool news = ack > other.flow->rcv_nxt || edge > other.rcv_adv;
  if (stage_of(pair_of(leg)) == PairStage::draining) {
    other.flow->rcv_nxt = std::max(other.flow->rcv_nxt, ack);
  }
  other.rcv_adv = std::max(other.rcv_adv, edge);
  return news;
}

// What we have repeated may come, or be reported, behind the acknowledgement that ended the
// transition, and the other end has sent none of it. Behind so many bytes more nothing of it is
// under way, and its numbers would come round.
void Connections::cut_late_reports(LegIndex leg, Packet& packet) {
  const PairIndex pair = pair_of(leg);
  const std::array<uint32_t, 2>& places = spliced_[pair].places;
  Socket& socket = sockets_[places[leg & 1]];
  if (!socket.reports) return;
  const Seq acked = flows_.shown(leg).acked + sent_shift(leg);
  if (acked - socket.own_end <= OffsetSwitch::kFarPast) {
    return cut_reports_before(packet, socket.own_end);
  }
  socket.reports = false;
  if (!sockets_[places[1 - (leg & 1)]].reports) flows_.mark(pair, FlowPair::kReported, false);
}

// -- while what is theirs still arrives

// Whether a part of the packet is for the other end. What is not is taken.
bool Connections::passes_back(TcpTurn& turn, LegIndex leg, Packet& packet) {
  const TcpSegment segment = read_segment(packet);
  if (segment.has(kTcpRst)) return reset_passes_back(leg, packet, segment);
  if (segment.has(kTcpSyn) || !segment.has(kTcpAck)) return true;  // the ends decide
  const PairIndex pair = pair_of(leg);
  const uint32_t place = spliced_[pair].places[leg & 1];
  Connection& c = *connection_of(sockets_[place]);
  Connection& other = *connection_of(sockets_[spliced_[pair].places[1 - (leg & 1)]]);
  const Seq boundary = transition_of(pair).start[leg & 1];
  const Seq acked = flows_.shown(leg).acked + sent_shift(leg);
  // Nor does who guesses tell anything here, or is taken for the host.
  const bool is_heard = is_believable(leg, segment);
  const bool news = is_heard && (note_told(leg, packet, c, other) || segment.ack > acked);
  if (segment.end() <= boundary) return true;
  TcpSegment ours = segment;
  ours.ack = c.snd_una;
  ours.sack_count = 0;
  if (segment.seq < boundary) {
    ours.payload = segment.payload.subspan(static_cast<size_t>(boundary - segment.seq));
    ours.seq = boundary;
  }
  // With an acknowledgement of ours: of its own nobody there would ask whether it can be true.
  if (is_heard) after(turn, place, segment_arrives(turn, c, ours));
  // What came with bytes for us is no answer to a repetition: without news it would be a duplicate.
  if (segment.seq >= boundary && !news && segment.length() > 0) return false;
  cut_behind(packet, segment, boundary);
  return true;
}

// The other end knows of nothing behind the boundary: what ends the connection there ends it at the
// boundary.
bool Connections::reset_passes_back(LegIndex leg, Packet& packet, const TcpSegment& reset) {
  const PairIndex pair = pair_of(leg);
  const Seq boundary = transition_of(pair).start[leg & 1];
  if (reset.seq <= boundary) return true;
  const Connection& c = *connection_of(sockets_[spliced_[pair].places[leg & 1]]);
  if (reset.seq != c.flow->rcv_nxt) return false;
  renumber(packet, boundary);
  return true;
}

}  // namespace sluice
