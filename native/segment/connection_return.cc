// The part of Connections that takes a spliced pair back (requirements 3.4). From the boundary on,
// in each direction, bytes are ours; those before it belong to their sender until they have
// arrived, and pass. Until then we say nothing: an acknowledgement of ours would jump the gap.

#include <algorithm>

#include "base/check.h"
#include "segment/connections.h"
#include "segment/transition_headers.h"
#include "tcp/input.h"
#include "tcp/life.h"
#include "tcp/output.h"
#include "tcp/timers.h"

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

// A socket's bytes are to be its own again.
void Connections::come_back(TcpTurn& turn, uint32_t place) {
  Socket& socket = sockets_[place];
  const PairIndex pair = pair_of(socket.leg);
  const FlowPair& flow = flows_.table().pair(pair);
  socket.returns = true;
  // What still drains is over soon.
  if (flow.flow_class != FlowClass::spliced) return stay_spliced(place);
  if (!(flow.flags & FlowPair::kInTransition)) return begin_return(turn, pair);
  if (transition_of(pair).back) leave_returned(turn, pair);
}

bool Connections::comes_back(const Socket& socket) {
  const PairIndex pair = pair_of(socket.leg);
  const bool in_transition = (flows_.table().pair(pair).flags & FlowPair::kInTransition) != 0;
  return socket.spliced && in_transition && transition_of(pair).back;
}

void Connections::begin_return(TcpTurn& turn, PairIndex pair) {
  const TransitionPool::Handle handle = transitions_.take();
  const bool has_room = tcp_.connections.capacity() - tcp_.connections.used() >= 2;
  if (handle == TransitionPool::kNone || !has_room) {
    TransitionPool::Handle unused = handle;
    transitions_.give_back(unused);
    for (const uint32_t place : spliced_[pair].places) sockets_[place].end = StreamEnd::no_memory;
    return end_spliced(turn.now, pair, EndReason::reset);
  }
  flows_.mark(pair, FlowPair::kCounted, false);
  spliced_[pair].transition = handle;
  transitions_[handle].back = true;
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) resume(turn, leg);
  flows_.mark(pair, FlowPair::kInTransition, true);
  leave_returned(turn, pair);
  settle(turn, pair);
}

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

void Connections::leave_returned(TcpTurn& turn, PairIndex pair) {
  for (const uint32_t place : spliced_[pair].places) {
    if (sockets_[place].returns) unrelay(turn, place);
    sockets_[place].returns = false;
  }
}

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
  const bool news = note_told(leg, packet, c, other) || segment.ack > acked;
  if (segment.end() <= boundary) return true;
  TcpSegment ours = segment;
  ours.ack = c.snd_una;
  ours.sack_count = 0;
  if (segment.seq < boundary) {
    ours.payload = segment.payload.subspan(static_cast<size_t>(boundary - segment.seq));
    ours.seq = boundary;
  }
  after(turn, place, segment_arrives(turn, c, ours));
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

// The flow entries are a translated pair's until every packet of the batch has gone its way.
void Connections::look_again(PairIndex pair) {
  if (due_count_ > 0 && due_[due_count_ - 1] == pair) return;
  SLUICE_CHECK(due_count_ < due_.size());  // one by each packet or order, and behind it one more
  due_[due_count_++] = pair;
}

void Connections::end_batch(Instant now) {
  for (size_t i = 0; i < due_count_; ++i) {
    const PairIndex pair = due_[i];
    const bool waits = is_spliced(pair) && spliced_[pair].transition != TransitionPool::kNone &&
                       transition_of(pair).back;
    TcpTurn turn = at(now);
    if (waits) finish_return(turn, pair);
  }
  due_count_ = 0;
}

// Unless something from before a boundary has still to arrive.
void Connections::finish_return(TcpTurn& turn, PairIndex pair) {
  const Flows::Shown client = flows_.shown(client_leg(pair));
  const Flows::Shown server = flows_.shown(server_leg(pair));
  if (client.acked != server.seq_end || server.acked != client.seq_end) return;
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) {
    Connection& c = *connection_of(sockets_[spliced_[pair].places[leg & 1]]);
    const Resumption now = resumption_of(leg, turn.now);
    c.rcv_adv = std::max(c.rcv_adv, now.rcv_adv);
    c.snd_wnd = now.snd_wnd;
    c.max_snd_wnd = std::max(c.max_snd_wnd, c.snd_wnd);
    c.ts_offset = now.ts_offset;
    // What passed since the way back began was no segment of ours.
    if (static_cast<int32_t>(now.flow.ts_recent - c.flow->ts_recent) > 0) {
      c.flow->ts_recent = now.flow.ts_recent;
    }
  }
  flows_.mark(pair, FlowPair::kInTransition, false);
  flows_.take_back(pair);
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) {
    const uint32_t place = spliced_[pair].places[leg & 1];
    Socket& socket = sockets_[place];
    Connection& c = *connection_of(socket);
    OwnLeg& own = flows_.own_leg(leg).own;
    own.connection = socket.connection;
    tcp_flow_in(own.tcp) = *c.flow;
    c.flow = &tcp_flow_in(own.tcp);
    c.muted = false;
    c.ack_now = true;
    socket.spliced = socket.returns = false;
  }
  const std::array<uint32_t, 2> places = spliced_[pair].places;
  transitions_.give_back(spliced_[pair].transition);
  counters_.raise(Counter::splices_returned);
  for (const uint32_t place : places) speak(turn, place);
  for (const uint32_t place : places) carry_out(turn, place);
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

}  // namespace sluice
