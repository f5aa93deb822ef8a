// The part of Connections for what ends a spliced pair, and for what is asked of one and cannot be.

#include <algorithm>

#include "base/check.h"
#include "segment/connections.h"
#include "tcp/life.h"
#include "tcp/segment_header.h"

namespace sluice {

void Connections::end_spliced(Instant now, PairIndex pair, uint8_t reason) {
  SLUICE_CHECK(is_spliced(pair));
  const SplicedPair& spliced = spliced_[pair];
  frames_.begin(now);
  if (reason == EndReason::rst) follow_reset(pair);
  if (reason != EndReason::fin && reason != EndReason::rst) reset_ends(now, pair);
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) count_spliced(now, leg);
  const uint8_t end = reason == EndReason::fin    ? StreamEnd::finished
                      : reason == EndReason::rst  ? StreamEnd::reset
                      : reason == EndReason::idle ? StreamEnd::timed_out
                                                  : StreamEnd::aborted;
  TcpTurn turn = at(now);
  leave_relay(turn, spliced.places[0]);
  for (const uint32_t place : spliced.places) {
    Socket& socket = sockets_[place];
    let_go(socket);
    if (socket.end == StreamEnd::finished) socket.end = end;
    socket.ended = end == StreamEnd::finished;
    socket.spliced = socket.returns = false;
    socket.leg = kNoLeg;
    socket.news |= Socket::kClosed;
    list(place);
  }
  transitions_.give_back(spliced_[pair].transition);
  flows_.end_spliced(now, pair, reason);
}

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
  if (spliced_[pair].transition == TransitionPool::kNone) return;
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) {
    const Seq acked = acked_by(leg);
    if (acked != sent_to(leg)) reset_end(leg, acked, acked);
  }
}

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

// One end has come to its end: what is left of the pair is too little for a connection of each
// side.
void Connections::stay_spliced(uint32_t place) {
  Socket& socket = sockets_[place];
  socket.returns = false;
  socket.block = SpliceBlock::stays;
  socket.news |= Socket::kSpliced;
  list(place);
}

}  // namespace sluice
