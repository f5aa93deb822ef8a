// The part of Connections that reads the numbers of a spliced pair: what a connection goes on with
// that comes back, and the number at which a host obeys a RST.

#include <algorithm>

#include "segment/connections.h"
#include "tcp/life.h"
#include "tcp/segment_header.h"

namespace sluice {

namespace {

// Ours begins where the timestamps of the other end, shifted, are by now, so that no clock goes
// backwards (3.4 rule 5).
uint32_t clock_after(uint32_t tsval, Tick seen, Instant now) {
  const Tick tick = Tcp::tick(now);
  return tsval + (tick - seen) + 1 - tick;
}

// The window was rounded up when it was noted: nothing is sent beyond the true one.
uint32_t window_from(const Flows::Shown& shown, Seq from) {
  const int32_t room = shown.edge - from - static_cast<int32_t>((1u << shown.scale) - 1);
  return room > 0 ? static_cast<uint32_t>(room) : 0;
}

}  // namespace

// In a leg's own numbers: what its peer was sent, and has acknowledged as far as we know.
uint32_t Connections::sent_shift(LegIndex leg) const {
  return is_client_leg(leg) ? 0 : flows_.table().offsets(pair_of(leg)).seq;
}
uint32_t Connections::received_shift(LegIndex leg) const {
  return is_client_leg(leg) ? 0 : flows_.table().offsets(pair_of(leg)).ack;
}
Seq Connections::sent_to(LegIndex leg) const {
  return flows_.shown(other_leg(leg)).seq_end + sent_shift(leg);
}
Seq Connections::acked_by(LegIndex leg) {
  const Connection* c = connection_of(sockets_[spliced_[pair_of(leg)].places[leg & 1]]);
  if (c != nullptr && c->flight() > 0) return c->snd_una;
  return flows_.shown(leg).acked + sent_shift(leg);
}

// -- of a connection that comes back

// In this leg's own numbers, `to` being its connection's.
Resumption Connections::resumption_of(LegIndex leg, Instant now) const {
  const PairIndex pair = pair_of(leg);
  const TcpOffsets& offsets = flows_.table().offsets(pair);
  const Flows::Shown own = flows_.shown(leg);
  const Flows::Shown other = flows_.shown(other_leg(leg));
  const SocketKept& kept = sockets_[spliced_[pair].places[leg & 1]].kept;
  const uint32_t clock = is_client_leg(leg) ? 0 - offsets.tsecr : offsets.tsval;
  Resumption from;
  from.flow.state = ConnectionState::established;
  from.flow.options = kept.options;
  from.flow.scales = kept.scales;
  from.flow.tos = kept.tos;
  from.flow.rcv_nxt = own.seq_end + received_shift(leg);
  from.flow.snd_nxt = sent_to(leg);
  from.flow.ts_recent = own.tsval;
  // Too old to refuse anything by: nobody has checked what came since.
  from.flow.ts_recent_age = Tcp::tick(now) - 30U * 24 * 3600 * 1000;
  // The other end's true edge: what this one was told of it, rounded down by each acknowledgement,
  // is nowhere beyond.
  const auto room = static_cast<uint32_t>(std::max(other.edge - own.seq_end, 0));
  from.rcv_adv = from.flow.rcv_nxt + std::min(room, 65535U << from.flow.rcv_wscale());
  from.snd_wnd = window_from(own, other.seq_end);
  const Tick seen =
      Tcp::tick(now) - (time_.tick(now) - flows_.table().leg(other_leg(leg)).last_seen);
  from.ts_offset = clock_after(other.tsval + clock, seen, now);
  from.snd_mss = kept.mss;
  from.told_mss = kept.told_mss;
  return from;
}

void Connections::resume(TcpTurn& turn, LegIndex leg) {
  const PairIndex pair = pair_of(leg);
  Transition& transition = transition_of(pair);
  const uint32_t place = spliced_[pair].places[leg & 1];
  Socket& socket = sockets_[place];
  const bool ipv6 = (flows_.table().leg(leg).flags & LegFlags::kIpv6) != 0;
  Connection* c = resume_connection(turn, transition.flow[leg & 1], leg, ipv6, path_of(leg),
                                    resumption_of(leg, turn.now));
  c->no_delay = socket.kept.no_delay;
  c->keep_alive = socket.kept.keep_alive;
  transition.start[leg & 1] = c->flow->rcv_nxt;
  socket.connection = tcp_.connections.handle_of(*c);
  places_[socket.connection - 1] = place;
}

// What passed since the way back began was no segment of ours.
void Connections::renew(Instant now, LegIndex leg) {
  Connection& c = *connection_of(sockets_[spliced_[pair_of(leg)].places[leg & 1]]);
  const Resumption from = resumption_of(leg, now);
  c.rcv_adv = std::max(c.rcv_adv, from.rcv_adv);
  c.snd_wnd = from.snd_wnd;
  c.max_snd_wnd = std::max(c.max_snd_wnd, c.snd_wnd);
  c.ts_offset = from.ts_offset;
  if (static_cast<int32_t>(from.flow.ts_recent - c.flow->ts_recent) > 0) {
    c.flow->ts_recent = from.flow.ts_recent;
  }
}

// -- of a pair that is reset

// RFC 9293 3.10.5, as each would hear it of the other.
void Connections::reset_ends(Instant now, PairIndex pair) {
  frames_.begin(now);
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) {
    reset_end(leg, acked_by(leg), sent_to(leg));
  }
}

// A host obeys a RST at exactly the number that it expects (RFC 5961 3.2): the end of what was
// sent, or where something of that is lost what it has acknowledged. Where it is past a number, the
// RST of that is nothing to it.
void Connections::reset_end(LegIndex leg, Seq acked, Seq sent) {
  SegmentHeader reset;
  reset.flags = kTcpRst | kTcpAck;
  reset.ack = flows_.shown(leg).seq_end + received_shift(leg);
  for (const Seq seq : {sent, acked}) {
    reset.seq = seq;
    send_alone(frames_, leg, reset, 0);
    if (sent == acked) break;
  }
}

// The RST that a pair in transition lets pass has the number behind what was sent last. Where that
// has not arrived, nobody may be left who repeats it.
void Connections::follow_reset(PairIndex pair) {
  if (stage_of(pair) == PairStage::spliced) return;
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) {
    const Seq acked = acked_by(leg);
    if (acked != sent_to(leg)) reset_end(leg, acked, acked);
  }
}

}  // namespace sluice
