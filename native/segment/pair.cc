// The part of Connections that takes a pair from one stage to another: pair.h has the table of
// them. What happens to the packets meanwhile stands in pair_packets.cc, what a count of bytes asks
// for in pair_count.cc, the arithmetic in splice_offsets.cc and pair_numbers.cc.

#include "segment/pair.h"

#include <algorithm>

#include "base/check.h"
#include "segment/connections.h"
#include "segment/splice_offsets.h"
#include "tcp/calls.h"
#include "tcp/life.h"
#include "tcp/output.h"
#include "tcp/timers.h"
#include "tcp/window.h"

namespace sluice {

namespace {

bool is_open(const Connection* c) {
  return c != nullptr && c->state() == ConnectionState::established && !c->fin_known &&
         !c->fin_wanted;
}

void keep_for_return(Socket& socket, const Connection& c) {
  socket.kept = {c.flow->options, c.flow->scales, c.flow->tos, c.no_delay,
                 c.snd_mss,       c.told_mss,     c.keep_alive};
}

}  // namespace

PairStage Connections::stage_of(PairIndex pair) const {
  const FlowPair& flow = flows_.table().pair(pair);
  if (flow.mode != PairMode::splice) return PairStage::proxied;
  if (flow.flow_class == FlowClass::linger) return PairStage::over;
  if (!(flow.flags & FlowPair::kInTransition)) return PairStage::spliced;
  return transition_of(pair).back ? PairStage::returning : PairStage::draining;
}

// Both ends have still something to say: there is a connection of each side to come back to.
bool Connections::has_both_ways(PairIndex pair) const {
  return flows_.table().pair(pair).flow_class == FlowClass::spliced;
}

// -- proxied: into the relay and out of it, each direction by itself

// The source is held, so all that TypeScript had to say stands in the send buffer already.
void Connections::relay(TcpTurn& turn, uint32_t place, const RelaySocketView& order) {
  const uint32_t target = order.target() & SocketTable::kPlaceMask;
  Socket& from = sockets_[place];
  Socket& to = sockets_[target];
  const bool counts = order.count() == RelayCount::one || order.count() == RelayCount::pair;
  if (from.target != 0 || to.source != 0 || place == target || order.count() > RelayCount::shared ||
      counts != (order.bytes() > 0)) {
    counters_.raise(Counter::messages_invalid);
    return;
  }
  if (connection_of(from) == nullptr) return;  // its Closed says so
  if (order.count() == RelayCount::shared && to.target != place) {
    // The other direction has reached the count, or its end.
    from.held = true;
    from.news |= Socket::kUnrelayed;
    return list(place);
  }
  from.headroom = order.headroom();
  from.ends_stay = order.ends() == RelayEnds::stay;
  from.count = order.count();
  from.left = order.bytes();
  const bool splices = !from.ends_stay && from.count != RelayCount::one;
  from.depth = splices ? order.depth() : RelayDepth::relay;
  begin_relay(turn, place, target);
}

void Connections::begin_relay(TcpTurn& turn, uint32_t place, uint32_t target) {
  sockets_[place].target = target;
  sockets_[place].held = true;
  sockets_[target].source = place;
  relay_from(turn, place);
  try_splice(turn, place);
}

void Connections::unrelay(TcpTurn& turn, uint32_t place) {
  Socket& from = sockets_[place];
  const uint32_t target = from.target;
  if (target == 0) return;
  for (const uint32_t each : {place, target}) thaw(turn, each);
  from.target = 0;
  from.count = RelayCount::none;
  from.news |= Socket::kUnrelayed;
  list(place);
  // Whoever has its target to himself again hears of the room there.
  sockets_[target].source = 0;
  list(target);
}

// Both directions.
void Connections::leave_relay(TcpTurn& turn, uint32_t place) {
  const uint32_t source = sockets_[place].source;
  if (source != 0) unrelay(turn, source);
  unrelay(turn, place);
}

// -- proxied to draining: whether, and why not

void Connections::try_splice(TcpTurn& turn, uint32_t place) {
  const Socket& one = sockets_[place];
  if (one.depth == RelayDepth::relay || one.spliced || one.target == 0 || one.source != one.target)
    return;
  const uint32_t across = one.target;
  if (sockets_[across].depth == RelayDepth::relay || sockets_[across].source != place) return;
  const bool is_client = one.leg != kNoLeg && is_client_leg(one.leg);
  const uint32_t client = is_client ? place : across;
  const uint32_t server = is_client ? across : place;
  if (sockets_[client].closed || sockets_[server].closed) return;
  if (has_ended(sockets_[client]) || has_ended(sockets_[server])) {
    return stay_relayed(turn, place, SpliceBlock::closing);
  }
  if (!is_worth_while(sockets_[client], sockets_[server])) {
    for (const uint32_t each : {client, server}) thaw(turn, each);
    return;
  }
  const uint8_t block = splice_block(sockets_[client], sockets_[server]);
  switch (block) {
    case SpliceBlock::none: return begin_splice(turn, client, server);
    case SpliceBlock::apart:
    case SpliceBlock::options:
    case SpliceBlock::fragmenting: return stay_relayed(turn, place, block);
    case SpliceBlock::closing: return;  // it is not open yet
    default:
      return hold_promises(turn, *connection_of(sockets_[client]),
                           *connection_of(sockets_[server]));
  }
}

// SpliceBlock: 0 where nothing is in the way.
uint8_t Connections::splice_block(const Socket& client, const Socket& server) {
  const Connection* c = connection_of(client);
  const Connection* s = connection_of(server);
  if (!is_open(c) || !is_open(s)) return SpliceBlock::closing;
  if (other_leg(client.leg) != server.leg || c->ipv6 != s->ipv6) return SpliceBlock::apart;
  return block_between(*c, *s);
}

bool Connections::has_ended(const Socket& socket) {
  const Connection* c = connection_of(socket);
  return c == nullptr || c->fin_known || c->fin_wanted;
}

void Connections::stay_relayed(TcpTurn& turn, uint32_t place, uint8_t block) {
  for (const uint32_t each : {place, sockets_[place].target}) {
    Socket& socket = sockets_[each];
    socket.block = block;
    socket.news |= Socket::kSpliced;
    list(each);
    thaw(turn, each);
  }
}

// -- proxied to draining (requirements 3.3)

void Connections::begin_splice(TcpTurn& turn, uint32_t client_place, uint32_t server_place) {
  const uint32_t places[] = {client_place, server_place};
  Connection* const c[] = {connection_of(sockets_[client_place]),
                           connection_of(sockets_[server_place])};
  const PairIndex pair = pair_of(c[0]->leg);
  const TransitionPool::Handle handle = transitions_.take();
  if (handle == TransitionPool::kNone) return;
  Transition& transition = transitions_[handle];
  spliced_[pair].places = {client_place, server_place};
  spliced_[pair].transition = handle;
  const TcpOffsets offsets = offsets_between(*c[0], *c[1], turn.now);
  const Flows::Shown client = shown_by(*c[0], c[0]->flow->rcv_nxt, 0);
  const Flows::Shown server = shown_by(*c[1], c[0]->flow->snd_nxt, offsets.seq);
  for (int i = 0; i < 2; ++i) {
    say_all(turn, *c[i], edge_across(*c[1 - i], *c[i]));
    Socket& socket = sockets_[places[i]];
    keep_for_return(socket, *c[i]);
    socket.spliced = true;
    socket.spliced_from = i == 0 ? client.seq_end : server.seq_end;
    socket.block = SpliceBlock::none;
    socket.news |= Socket::kSpliced;
    list(places[i]);
    transition.start[i] = c[i]->flow->rcv_nxt;
    transition.clock[i] = c[i]->flow->ts_recent;
    transition.flow[i] = *c[i]->flow;
    c[i]->flow = &transition.flow[i];
  }
  flows_.splice(turn.now, pair, offsets, client, server);
  const bool counts = sockets_[client_place].count != RelayCount::none ||
                      sockets_[server_place].count != RelayCount::none;
  flows_.mark(pair, FlowPair::kCounted, counts);
  flows_.mark(pair, FlowPair::kInTransition, true);
  counters_.raise(Counter::splices);
  settle(turn, pair);
}

// -- draining to spliced

// Ends the transition where that is due.
void Connections::settle(TcpTurn& turn, PairIndex pair) {
  if (stage_of(pair) == PairStage::returning) return look_again(pair);
  for (const uint32_t place : spliced_[pair].places) {
    if (connection_of(sockets_[place])->flight() > 0) return;
  }
  finish_splice(turn, pair);
}

// Nothing of it is ours any more: the blocks go (MEM-17).
void Connections::finish_splice(TcpTurn& turn, PairIndex pair) {
  for (const uint32_t place : spliced_[pair].places) {
    Socket& socket = sockets_[place];
    const Connection& c = *connection_of(socket);
    socket.kept.mss = c.snd_mss;
    socket.own_end = c.flow->snd_nxt;
    socket.reports = true;
    let_go(socket);
  }
  transitions_.give_back(spliced_[pair].transition);
  flows_.mark(pair, FlowPair::kInTransition, false);
  flows_.mark(pair, FlowPair::kReported, true);
  for (const uint32_t place : spliced_[pair].places) {
    if (!sockets_[place].returns) continue;
    if (has_both_ways(pair)) {
      begin_return(turn, pair);
      return;
    }
    stay_spliced(place);
  }
}

void Connections::let_go(Socket& socket) {
  Connection* c = connection_of(socket);
  if (c == nullptr) return;
  wheel_.cancel(socket.connection - 1);
  release_connection(tcp_, *c);
  socket.connection = ConnectionPool::kNone;
}

// -- spliced to returning (requirements 3.4)

// A socket's bytes are to be its own again.
void Connections::come_back(TcpTurn& turn, uint32_t place) {
  Socket& socket = sockets_[place];
  const PairIndex pair = pair_of(socket.leg);
  socket.returns = true;
  if (!has_both_ways(pair)) return stay_spliced(place);
  // What still drains is over soon: finish_splice() sees to it.
  const PairStage stage = stage_of(pair);
  if (stage == PairStage::spliced) begin_return(turn, pair);
  if (stage == PairStage::returning) leave_returned(turn, pair);
}

// False where there is no room for its connections: it stays spliced until there is.
bool Connections::begin_return(TcpTurn& turn, PairIndex pair) {
  if (!has_room_to_return()) {
    wait_to_return(pair);
    return false;
  }
  flows_.mark(pair, FlowPair::kCounted, false);
  const TransitionPool::Handle handle = transitions_.take();
  spliced_[pair].transition = handle;
  transitions_[handle].back = true;
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) resume(turn, leg);
  flows_.mark(pair, FlowPair::kInTransition, true);
  leave_returned(turn, pair);
  settle(turn, pair);
  return true;
}

void Connections::leave_returned(TcpTurn& turn, PairIndex pair) {
  for (const uint32_t place : spliced_[pair].places) {
    if (sockets_[place].returns) unrelay(turn, place);
    sockets_[place].returns = false;
  }
}

// -- returning to proxied

// The flow entries are a translated pair's until every packet of the batch has gone its way.
void Connections::look_again(PairIndex pair) {
  if (due_count_ > 0 && due_[due_count_ - 1] == pair) return;
  SLUICE_CHECK(due_count_ < due_.size());  // one by each packet or order, and behind it one more
  due_[due_count_++] = pair;
}

void Connections::end_batch(Instant now) {
  finish_due(now);
  if (may_take_back()) {
    take_back_waiting(now);
    finish_due(now);
  }
}

void Connections::finish_due(Instant now) {
  for (size_t i = 0; i < due_count_; ++i) {
    const PairIndex pair = due_[i];
    TcpTurn turn = at(now);
    if (stage_of(pair) == PairStage::returning) finish_return(turn, pair);
  }
  due_count_ = 0;
}

// Unless something from before a boundary has still to arrive.
void Connections::finish_return(TcpTurn& turn, PairIndex pair) {
  const Flows::Shown client = flows_.shown(client_leg(pair));
  const Flows::Shown server = flows_.shown(server_leg(pair));
  if (client.acked != server.seq_end || server.acked != client.seq_end) return;
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) renew(turn.now, leg);
  flows_.mark(pair, FlowPair::kInTransition | FlowPair::kReported, false);
  flows_.take_back(pair);
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) take_up(leg);
  const std::array<uint32_t, 2> places = spliced_[pair].places;
  transitions_.give_back(spliced_[pair].transition);
  counters_.raise(Counter::splices_returned);
  for (const uint32_t place : places) speak(turn, place);
  for (const uint32_t place : places) carry_out(turn, place);
}

// The flow entry is its connection's again.
void Connections::take_up(LegIndex leg) {
  Socket& socket = sockets_[spliced_[pair_of(leg)].places[leg & 1]];
  Connection& c = *connection_of(socket);
  OwnLeg& own = flows_.own_leg(leg).own;
  own.connection = socket.connection;
  tcp_flow_in(own.tcp) = *c.flow;
  c.flow = &tcp_flow_in(own.tcp);
  c.muted = false;
  c.ack_now = true;
  socket.spliced = socket.returns = false;
}

// What could not be said before.
void Connections::speak(TcpTurn& turn, uint32_t place) {
  Connection& c = *connection_of(sockets_[place]);
  output(turn, c);
  arm_idle(turn, c);
  arm(c);
  list(place);
}

// What was asked for on the way back, when bytes of the ends were still to arrive.
void Connections::carry_out(TcpTurn& turn, uint32_t place) {
  Socket& socket = sockets_[place];
  if (socket.closed) return close_socket(turn, place, socket.aborts);
  if (socket.target != 0) relay_from(turn, place);
  try_splice(turn, place);
}

// -- over

void Connections::end_spliced(Instant now, PairIndex pair, uint8_t reason) {
  SLUICE_CHECK(is_spliced(pair));
  const PairSockets& spliced = spliced_[pair];
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
