// The part of Connections that lets a relayed pair go (requirements 3.3): the hosts at its ends run
// TCP with each other from a boundary on, in each direction, and their headers are shifted in the
// pipeline. What was acknowledged before that and has not arrived is still ours to repeat; as long
// as there is any, the packets of the pair pass through here.

#include <algorithm>

#include "base/check.h"
#include "flow/leg_rewrite.h"
#include "segment/connections.h"
#include "segment/transition_headers.h"
#include "segment/whole_packet.h"
#include "tcp/calls.h"
#include "tcp/input.h"
#include "tcp/life.h"
#include "tcp/output.h"
#include "tcp/segment_header.h"
#include "tcp/window.h"

namespace sluice {

namespace {

// Milliseconds by which an end's clock is told to be ahead of ours where it follows it: what it
// sends is newer than all that we have sent, however unevenly it comes (PAWS).
constexpr uint32_t kAhead = 16;

bool is_open(const Connection* c) {
  return c != nullptr && c->state() == ConnectionState::established && !c->fin_known &&
         !c->fin_wanted;
}

// The payload of the largest segment that the peer may send.
uint16_t largest_from(const Connection& c) { return payload_of(c, own_mss(c)); }

// The right edge that the sender behind `to` would be told if the receiver behind `from` told it
// his own: what is lost to scaling is no room (TCPX-15).
Seq edge_across(const Connection& from, const Connection& to) {
  const uint8_t scale = to.flow->rcv_wscale();
  const uint32_t field = std::min<uint32_t>(usable_window(from) >> scale, 65535);
  return to.flow->rcv_nxt + (field << scale);
}

// Where two clocks meet: what is to be added to what the one sends.
uint32_t clock_offset(const Connection& from, const Connection& to, Instant now) {
  return Tcp::timestamp(to.ts_offset, now) + kAhead - from.flow->ts_recent;
}

TcpOffsets offsets_between(const Connection& client, const Connection& server, Instant now) {
  const TcpFlow& c = *client.flow;
  const TcpFlow& s = *server.flow;
  TcpOffsets offsets;
  offsets.seq = s.snd_nxt.raw() - c.rcv_nxt.raw();
  offsets.ack = s.rcv_nxt.raw() - c.snd_nxt.raw();
  if (c.agreed(TcpFlow::kTimestamps)) {
    offsets.tsval = clock_offset(client, server, now);
    offsets.tsecr = 0 - clock_offset(server, client, now);
  }
  offsets.window_shift = static_cast<int8_t>(c.snd_wscale() - s.rcv_wscale());
  offsets.reply_window_shift = static_cast<int8_t>(s.snd_wscale() - c.rcv_wscale());
  offsets.strip_sack = !c.agreed(TcpFlow::kSack) || !s.agreed(TcpFlow::kSack);
  return offsets;
}

// `behind`: what is taken from this connection's numbers to get the client's.
Flows::Shown shown_by(const Connection& c, Seq seq_end, uint32_t behind) {
  const Seq acked = c.snd_una - behind;
  return {seq_end, acked, acked + c.snd_wnd, c.flow->snd_wscale(), c.flow->ts_recent};
}

void keep_for_return(Socket& socket, const Connection& c) {
  socket.kept = {c.flow->options, c.flow->scales, c.flow->tos, c.no_delay, c.snd_mss, c.keep_alive};
}

// Without SACK an acknowledgement that says the same once more is a sign of loss, unless it comes
// with bytes (RFC 5681 2), which are none of ours.
bool says_the_same(const Connection& c, const TcpSegment& segment) {
  if (c.flow->agreed(TcpFlow::kSack) || segment.length() == 0) return false;
  return segment.ack <= c.snd_una && uint32_t{segment.window} << c.flow->snd_wscale() == c.snd_wnd;
}

}  // namespace

// -- whether

// SpliceBlock: 0 where nothing is in the way.
uint8_t Connections::splice_block(const Socket& client, const Socket& server) {
  const Connection* c = connection_of(client);
  const Connection* s = connection_of(server);
  if (!is_open(c) || !is_open(s)) return SpliceBlock::closing;
  if (other_leg(client.leg) != server.leg || c->ipv6 != s->ipv6) return SpliceBlock::apart;
  constexpr uint8_t kAlike = TcpFlow::kTimestamps | TcpFlow::kEcn;
  if (((c->flow->options ^ s->flow->options) & kAlike) != 0) return SpliceBlock::options;
  if (largest_from(*c) > s->snd_mss || largest_from(*s) > c->snd_mss) {
    return SpliceBlock::fragmenting;
  }
  for (const Connection* each : {c, s}) {
    if (!each->receive_queue.empty() || !each->reassembly.empty()) return SpliceBlock::buffered;
    if (unsent(*each) > 0) return SpliceBlock::inflight;
  }
  const bool covered = edge_across(*s, *c) >= c->rcv_adv && edge_across(*c, *s) >= s->rcv_adv;
  return covered ? SpliceBlock::none : SpliceBlock::window;
}

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

// Until it may begin, nobody is promised more than he was: so it comes to pass (rule 4). One that
// was promised too much has to use it up first. Where it may never do so the other one, which waits
// for that alone, is not to be held up.
void Connections::hold_promises(TcpTurn& turn, Connection& client, Connection& server) {
  const bool client_has = edge_across(server, client) < client.rcv_adv;
  const bool server_has = edge_across(client, server) < server.rcv_adv;
  const bool client_less = client.rcv_wnd() <= server.rcv_wnd();
  set_frozen(turn, client, !server_has || (client_has && client_less));
  set_frozen(turn, server, !client_has || (server_has && !client_less));
}

void Connections::set_frozen(TcpTurn& turn, Connection& c, bool frozen) {
  if (c.frozen == frozen) return;
  c.frozen = frozen;
  if (!frozen && may_receive(c.state()) && window_update_is_due(tcp_, c)) send_ack(turn, c);
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

void Connections::thaw(TcpTurn& turn, uint32_t place) {
  Socket& socket = sockets_[place];
  socket.depth = RelayDepth::relay;
  Connection* c = connection_of(socket);
  if (c != nullptr && !socket.spliced) set_frozen(turn, *c, false);
}

// -- down

void Connections::begin_splice(TcpTurn& turn, uint32_t client_place, uint32_t server_place) {
  const uint32_t places[] = {client_place, server_place};
  Connection* const c[] = {connection_of(sockets_[client_place]),
                           connection_of(sockets_[server_place])};
  const PairIndex pair = pair_of(c[0]->leg);
  const TransitionPool::Handle handle = transitions_.take();
  if (handle == TransitionPool::kNone) return;
  Transition& transition = transitions_[handle];
  spliced_[pair] = {{client_place, server_place}, handle};
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

// The last word of ours, but for what has to be repeated: what we have, and how far the other
// side's receiver lets the peer go.
void Connections::say_all(TcpTurn& turn, Connection& c, Seq edge) {
  const bool news = edge > c.rcv_adv || c.last_ack_sent != c.flow->rcv_nxt || c.ack_now;
  c.rcv_adv = std::max(c.rcv_adv, edge);
  c.frozen = true;
  if (news) send_ack(turn, c);
  c.idle_at = Instant::never();
}

// -- packets of a spliced pair

// What a damaged packet says would move the boundary of a way back to where its sender never was,
// and so would a fragment, whose checksum nobody knows.
bool Connections::passes(Instant now, LegIndex leg, Packet& packet) {
  if (!is_whole(packet)) return false;
  const FlowPair& flow = flows_.table().pair(pair_of(leg));
  if (!(flow.flags & (FlowPair::kInTransition | FlowPair::kCounted))) return true;
  TcpTurn turn = at(now);
  if (flow.flags & FlowPair::kCounted) stop_at_count(turn, leg, packet);
  if (packet.verdict != Verdict::none) return false;
  if (!is_spliced(pair_of(leg))) {
    // Without memory to go on with.
    packet.verdict = Verdict::deliver;
    return false;
  }
  if (!(flow.flags & FlowPair::kInTransition)) return true;
  const bool back = transition_of(pair_of(leg)).back;
  if (back ? passes_back(turn, leg, packet) : drains(turn, leg, packet)) return true;
  // What the other end need not hear was heard all the same.
  if (!back) {
    flows_.follow(now, leg, packet);
    if (is_spliced(pair_of(leg))) count_spliced(now, leg);
  }
  packet.verdict = Verdict::deliver;
  settles(now, leg);
  return false;
}

bool Connections::settles(Instant now, LegIndex leg) {
  if (!is_spliced(pair_of(leg))) return false;  // the packet has ended it
  count_spliced(now, leg);
  TcpTurn turn = at(now);
  if (flows_.table().pair(pair_of(leg)).flags & FlowPair::kInTransition) {
    settle(turn, pair_of(leg));
  } else if (sockets_[spliced_[pair_of(leg)].places[0]].returns &&
             flows_.table().pair(pair_of(leg)).flow_class == FlowClass::spliced) {
    begin_return(turn, pair_of(leg));
  } else {
    return false;
  }
  return flows_.table().pair(pair_of(leg)).mode != PairMode::splice;
}

// Ends the transition where that is due.
void Connections::settle(TcpTurn& turn, PairIndex pair) {
  if (transition_of(pair).back) return look_again(pair);
  for (const uint32_t place : spliced_[pair].places) {
    if (connection_of(sockets_[place])->flight() > 0) return;
  }
  finish_splice(turn, pair);
}

// Whether the packet is for the other end, as it is now.
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
  if (was_draining && !says_the_same(c, segment)) {
    const TcpSegment ours = acknowledgement_before(segment, boundary, c.flow->rcv_nxt);
    after(turn, place, segment_arrives(turn, c, ours));
    if (!sockets_[place].spliced) return false;
  }
  if (segment.seq < start && segment.end() <= start) {
    // Ours has not reached him, or he asks whether we are alive.
    if (segment.length() > 0 || segment.seq + 1 == start) send_ack(turn, c);
    return false;
  }
  bool news =
      segment.ack < boundary && clamp_acknowledgement(packet, boundary, c.flow->snd_wscale());
  echo_theirs(leg, packet);
  news |= note_told(leg, packet, c, other);
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
  if (!transition_of(pair_of(leg)).back) {
    other.flow->rcv_nxt = std::max(other.flow->rcv_nxt, ack);
  }
  other.rcv_adv = std::max(other.rcv_adv, edge);
  return news;
}

// Nothing of it is ours any more: the blocks go (MEM-17).
void Connections::finish_splice(TcpTurn& turn, PairIndex pair) {
  for (const uint32_t place : spliced_[pair].places) {
    sockets_[place].kept.mss = connection_of(sockets_[place])->snd_mss;
    let_go(sockets_[place]);
  }
  transitions_.give_back(spliced_[pair].transition);
  flows_.mark(pair, FlowPair::kInTransition, false);
  for (const uint32_t place : spliced_[pair].places) {
    if (!sockets_[place].returns) continue;
    const bool is_open = flows_.table().pair(pair).flow_class == FlowClass::spliced;
    if (is_open) return begin_return(turn, pair);
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

}  // namespace sluice
