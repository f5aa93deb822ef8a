#include "segment/connections.h"

#include <algorithm>

#include "packet/l4_checksum.h"
#include "segment/whole_packet.h"
#include "tcp/calls.h"
#include "tcp/input.h"
#include "tcp/listener.h"
#include "tcp/path_mtu.h"
#include "tcp/timers.h"
#include "wire/icmp.h"
#include "wire/icmpv6.h"

namespace sluice {

namespace {

// Of a super-packet: what one IP packet carries beside the largest headers.
constexpr uint32_t kLargestPayload = 65535 - 60 - 60;
// How long a connection answers that was given up before it was established.
constexpr Duration kGivenUp = Duration::seconds(3);
// Sockets that TypeScript has still to forget have places of their own.
constexpr uint32_t kPlacesPerConnection = 2;

}  // namespace

TcpLimits Connections::limits_of(const Options& options) {
  TcpLimits limits;
  limits.connections = options.connections;
  limits.handshakes = options.connections;
  limits.buffer_bytes = options.buffer_bytes;
  limits.reserved_bytes = options.buffer_bytes / 8;
  // A record for each chunk that may be in flight, and some for those that are sent alone.
  limits.segments_in_flight =
      static_cast<uint32_t>(options.buffer_bytes / 1024) + options.connections;
  limits.received_runs = limits.segments_in_flight / 8 + 64;
  return limits;
}

TcpConfig Connections::config_of(const Options& options) {
  TcpConfig config;
  config.windows_for = options.windows_for;
  // Less than any kernel begins with: so either side of a pair may be let go at once.
  config.first_window = 32 * 1024;
  return config;
}

Connections::Connections(const Options& options, const Parts& parts, Instant now)
    : StreamNews(parts.to_sockets),
      options_(options),
      flows_(parts.flows),
      stack_(parts.stack),
      frames_(parts.frames),
      from_sockets_(parts.from_sockets),
      counters_(parts.counters),
      time_(parts.time),
      datagrams_(parts.datagrams),
      source_(parts.stack, parts.flows, parts.hand_over, options.seed ^ 4),
      tcp_(limits_of(options), config_of(options), options.seed),
      write_room_(tcp_.buffers.reserved()),
      inspections_(options.connections, parts.time.tick(now)),
      sockets_(options.connections * kPlacesPerConnection, options.worker),
      places_(options.connections),
      spliced_(parts.flows.table().max_pairs()),
      transitions_(options.connections / 2),
      links_(options.connections, 1),
      wheel_(links_, 0, parts.time.tick(now)),
      cookies_(options.cookie_secret),
      half_open_(options.connections) {
  flows_.set_own_pairs(FlowClass::own, this);
}

// -- packets

TcpPath Connections::path_of(LegIndex leg) const {
  const FlowEntry& entry = flows_.table().leg(flows_.towards_peer(leg));
  return {stack_.next_hop(entry.next_hop).mtu, kLargestPayload};
}

// Ties connection, leg and socket to each other. nullptr, and nothing is left, without connection.
Connection* Connections::adopt(Instant now, Connection* c, LegIndex leg, uint32_t place) {
  if (c == nullptr) {
    flows_.close_own(now, leg, EndReason::reset);
    sockets_.give_back(place);
    return nullptr;
  }
  Socket& socket = sockets_[place];
  socket.connection = tcp_.connections.handle_of(*c);
  socket.leg = leg;
  socket.serial = flows_.table().pair(pair_of(leg)).serial;
  socket.vs = flows_.table().pair(pair_of(leg)).vs;
  places_[socket.connection - 1] = place;
  flows_.own_leg(leg).own.connection = socket.connection;
  arm(*c);
  return c;
}

// A flow for what a client begins, and a place for its socket; without room the packet is dropped.
LegIndex Connections::open_client(Instant now, Packet& packet, uint16_t vs, uint32_t& place) {
  place = has_block() ? sockets_.take() : 0;
  if (place == 0) {
    packet.drop(DropReason::connections_full);
    return kNoLeg;
  }
  flows_.forget_past(now, packet.key);
  DropReason why;
  const LegIndex leg = flows_.open_own_client(now, packet.key, vs, why);
  if (leg == kNoLeg) {
    sockets_.give_back(place);
    packet.drop(why);
    return kNoLeg;
  }
  flows_.count_own(leg, packet);
  return leg;
}

bool Connections::adopt_client(Instant now, Packet& packet, const VirtualServer& server,
                               const Begun& begun) {
  if (adopt(now, begun.connection, begun.leg, begun.place) == nullptr) {
    packet.drop(DropReason::connections_full);
    return false;
  }
  sockets_[begun.place].passive = true;
  sockets_[begun.place].irs = begun.irs;
  if (!server.terminates) begin_inspection(begun.place, server, packet.in_port);
  half_open_.begins();
  packet.verdict = Verdict::deliver;
  return true;
}

void Connections::accept(Instant now, Packet& packet, const VirtualServer& server,
                         std::optional<Seq> beyond) {
  if (!stack_.may_come_from(packet.key.src)) return packet.drop(DropReason::ip_martian);
  if (!is_whole(packet)) return;
  // No cookie is beyond the numbers of an earlier connection.
  if (!beyond && wants_cookie(now)) return answer_with_cookie(now, packet, server);
  if (!half_open_.has_room()) return packet.drop(DropReason::connections_full);
  uint32_t place;
  const LegIndex leg = open_client(now, packet, server.id, place);
  if (leg == kNoLeg) return;
  TcpTurn turn = at(now);
  const TcpSegment segment = read_segment(packet);
  Connection* c = syn_arrives(turn, tcp_flow_of(flows_.own_leg(leg)), leg, packet.key.reversed(),
                              path_of(leg), segment, beyond, listener_of(server));
  adopt_client(now, packet, server, {c, leg, place, segment.seq});
}

void Connections::arrives(Instant now, LegIndex leg, Packet& packet) {
  if (!is_whole(packet)) return;
  packet.verdict = Verdict::deliver;
  flows_.count_own(leg, packet);
  TcpTurn turn = at(now);
  const TcpSegment segment = read_segment(packet);
  const FlowEntry& entry = flows_.own_leg(leg);
  const ConnectionState state = tcp_flow_of(entry).state;
  // Its last bytes are still to be read.
  if (state == ConnectionState::closed) return;
  if (state == ConnectionState::time_wait) {
    (void)answer_past(now, tcp_flow_of(flows_.own_leg(leg)), packet.key, segment, frames_, leg);
    return;
  }
  const uint32_t place = place_of(entry.own.connection);
  Connection& c = tcp_.connections[entry.own.connection];
  after(turn, place, segment_arrives(turn, c, segment));
}

// -- what follows from a call into TCP

void Connections::after(TcpTurn& turn, uint32_t place, TcpEvents events) {
  Socket& socket = sockets_[place];
  if (events.has(TcpEvents::kOpened)) {
    socket.news |= Socket::kOpened;
    socket.opened = true;
    if (socket.passive) half_open_.leaves(socket.unanswered);
    counters_.raise(socket.passive ? Counter::connections_accepted : Counter::connections_opened);
  }
  if (events.has(TcpEvents::kPeerClosed)) socket.ended = true;
  note_end(socket, events);
  if (events.has(TcpEvents::kReleased) && socket.spliced) {
    // Half of what it was: the other end is not to wait for what is lost.
    wheel_.cancel(socket.connection - 1);
    socket.connection = ConnectionPool::kNone;
    return end_spliced(turn.now, pair_of(socket.leg), EndReason::reset);
  }
  if (events.has(TcpEvents::kReleased)) {
    released(turn.now, place);
  } else {
    arm(*connection_of(socket));
  }
  constexpr uint16_t kIncoming = TcpEvents::kReadable | TcpEvents::kPeerClosed |
                                 TcpEvents::kReleased | TcpEvents::kFinished | TcpEvents::kTimeWait;
  constexpr uint16_t kOutgoing = TcpEvents::kWritable | TcpEvents::kReleased;
  if (socket.source != 0 && events.has(kOutgoing)) relay_from(turn, socket.source);
  if (socket.target != 0 && events.has(kIncoming)) relay_from(turn, place);
  if (events.bits != 0) list(place);
  if (socket.inspection != 0) inspect(turn, place, events);
  try_splice(turn, place);
}

void Connections::note_end(Socket& socket, TcpEvents events) {
  constexpr uint16_t kFailures = TcpEvents::kReset | TcpEvents::kRefused | TcpEvents::kTimedOut;
  if (!events.has(kFailures)) return;
  counters_.raise(Counter::connections_failed);
  if (events.has(TcpEvents::kReset)) socket.end = StreamEnd::reset;
  if (events.has(TcpEvents::kRefused)) socket.end = StreamEnd::refused;
  if (events.has(TcpEvents::kTimedOut)) socket.end = StreamEnd::timed_out;
}

// The block is gone, and so is the leg; what answers from now on is in a table of its own.
void Connections::released(Instant now, uint32_t place) {
  Socket& socket = sockets_[place];
  const LegIndex leg = socket.leg;
  wheel_.cancel(socket.connection - 1);
  socket.connection = ConnectionPool::kNone;
  socket.leg = kNoLeg;
  socket.news |= Socket::kClosed;
  if (socket.passive && !socket.opened) half_open_.leaves(socket.unanswered);
  // Nobody has heard of it: so it leaves its place.
  if (socket.passive && !socket.known) socket.news |= Socket::kOpened;
  if (tcp_flow_of(flows_.own_leg(leg)).state == ConnectionState::time_wait) {
    leave_to_time_wait(now, socket, leg);
  } else if (!socket.passive && !socket.opened && socket.end == StreamEnd::aborted) {
    // The peer's answer is still to come, and nobody else shall have it.
    flows_.keep_in_time_wait(now, leg, kGivenUp, EndReason::rst);
  } else {
    flows_.close_own(now, leg, socket.end == StreamEnd::finished ? EndReason::fin : EndReason::rst);
  }
}

void Connections::abort_pair(Instant now, PairIndex pair, uint8_t reason) {
  if (flows_.table().pair(pair).mode == PairMode::splice) return end_spliced(now, pair, reason);
  TcpTurn turn = at(now);
  for (const LegIndex leg : {client_leg(pair), server_leg(pair)}) {
    const FlowEntry& entry = flows_.own_leg(leg);
    if (!(entry.flags & LegFlags::kEntered)) continue;
    close_socket(turn, place_of(entry.own.connection), true);
  }
}

bool Connections::is_about_ours(LegIndex leg, const IcmpQuote& quote, const Packet& error) {
  if (stage_of(pair_of(leg)) != PairStage::draining) return false;
  const Connection& c = *connection_of(sockets_[spliced_[pair_of(leg)].places[leg & 1]]);
  const Seq quoted(load_be32(error.at(quote.l4 + 4u)));
  return quoted >= c.snd_una && quoted < c.flow->snd_nxt;
}

// RFC 5927 4: believed where it quotes what is in flight, which TCP sees to.
void Connections::error_arrives(Instant now, LegIndex leg, const IcmpQuote& quote, Packet& error) {
  if (!l4_checksum_is_right(error)) return error.drop(DropReason::l4_checksum);
  error.verdict = Verdict::deliver;
  const IcmpHeader icmp(error.at(error.headers.l4));
  const bool v4 = error.headers.family == 4;
  const bool too_big =
      v4 ? icmp.type() == kIcmpUnreachable && icmp.code() == kIcmpFragmentationNeeded
         : icmp.type() == kIcmpv6PacketTooBig;
  if (!too_big) return;  // soft errors are for whoever asks (RFC 5461)
  const uint32_t told = v4 ? icmp.next_hop_mtu() : load_be32(error.at(error.headers.l4 + 4u));
  TcpTurn turn = at(now);
  const bool spliced = flows_.table().pair(pair_of(leg)).mode == PairMode::splice;
  Connection& c = spliced ? *connection_of(sockets_[spliced_[pair_of(leg)].places[leg & 1]])
                          : tcp_.connections[flows_.own_leg(leg).own.connection];
  packet_was_too_big(turn, c, Seq(load_be32(error.at(quote.l4 + 4u))),
                     static_cast<uint16_t>(std::min<uint32_t>(told, UINT16_MAX)));
  arm(c);
}

// While it opens, nothing else would come of it; later the peer may be back in time.
void Connections::unreachable(Instant now, const FlowKey& sent) {
  const LegIndex leg = flows_.leg_of_any_dscp(sent.reversed());
  if (leg == kNoLeg || flows_.table().pair(pair_of(leg)).mode != PairMode::proxied) return;
  const FlowEntry& entry = flows_.own_leg(leg);
  const ConnectionState state = tcp_flow_of(entry).state;
  if (state != ConnectionState::syn_sent && state != ConnectionState::syn_received) return;
  TcpTurn turn = at(now);
  const uint32_t place = place_of(entry.own.connection);
  sockets_[place].end = StreamEnd::no_route;
  after(turn, place, sluice::abort(turn, tcp_.connections[entry.own.connection]));
}

// -- timers

// Timers that are set back are left to fire early: most of them are.
void Connections::arm(const Connection& c) {
  const Instant due = sluice::deadline(c);
  if (due == Instant::never()) return;
  const TimerId id = tcp_.connections.handle_of(c) - 1;
  const Tick tick = time_.tick(due) + 1;
  if (!links_.armed(id) || tick_before(tick, links_.deadline(id))) wheel_.arm(id, tick);
}

// Whose client has left the SYN-ACK unanswered for so long that it is repeated.
void Connections::note_unanswered(Socket& socket) {
  if (!socket.passive || socket.opened || socket.unanswered) return;
  socket.unanswered = true;
  half_open_.is_unanswered();
}

void Connections::fire(Instant now, ConnectionPool::Handle handle) {
  Connection& c = tcp_.connections[handle];
  if (sluice::deadline(c) > now) return arm(c);
  const uint32_t place = place_of(handle);
  note_unanswered(sockets_[place]);
  TcpTurn turn = at(now);
  after(turn, place, timers_expire(turn, c));
}

void Connections::poll(Instant now) {
  wheel_.advance(time_.tick(now), [&](TimerId id) { fire(now, id + 1); });
  inspections_.wheel.advance(time_.tick(now), [&](TimerId id) { fire_inspection(now, id + 1); });
  end_batch(now);
  publish();
}

void Connections::publish() {
  counters_.set(Counter::connections, tcp_.connections.used());
  counters_.set(Counter::connections_active, tcp_.active);
  counters_.set(Counter::own_time_wait, flows_.time_waits().count());
  counters_.set(Counter::time_waits_evicted, flows_.time_waits().evicted());
  counters_.set(Counter::sockets, sockets_.used());
  counters_.set(Counter::inspected, inspections_.pool.used());
  counters_.set(Counter::stream_buffers,
                uint64_t{tcp_.buffers.chunks_in_use()} * BufferPool::kChunk);
}

Instant Connections::deadline(Instant now) const {
  if (may_take_back()) return now;
  if (full_ || !from_sockets_.empty()) return now + Duration::milliseconds(1);
  const Tick tick = time_.tick(now);
  constexpr Tick kLongest = 1000;
  const Tick next = inspections_.wheel.next_tick(wheel_.next_tick(tick + kLongest));
  return now + Duration::milliseconds(tick_before(tick, next) ? next - tick : 0);
}

}  // namespace sluice
