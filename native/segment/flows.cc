#include "segment/flows.h"

#include <utility>

#include "packet/l4_checksum.h"
#include "wire/ip_protocol.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

namespace sluice {

namespace {

constexpr uint32_t kLargestSegment = 65535 - 40;

TrackedSegment tracked(const Packet& packet) {
  const TcpHeader tcp(packet.at(packet.headers.l4));
  TrackedSegment segment;
  segment.flags = tcp.flags();
  segment.seq = tcp.seq().raw();
  segment.ack = tcp.ack().raw();
  segment.window = tcp.window();
  segment.length =
      packet.headers.end - packet.headers.payload + tcp.has(kTcpSyn) + tcp.has(kTcpFin);
  if (packet.headers.fragment) {
    // How long the segment is only its last fragment says, and this one does not have its end.
    segment.flags &= static_cast<uint8_t>(~kTcpFin);
    segment.length = kLargestSegment + tcp.has(kTcpSyn);
    segment.open_end = true;
  }
  if (!tcp.has(kTcpSyn)) return segment;
  for (TcpOptionWalk walk(tcp); walk.next();) {
    if (walk.option().is_window_scale()) segment.window_scale = walk.option().window_scale();
  }
  return segment;
}

// Whether flows of this class are what a table is for; the others pass through it.
bool takes_place(FlowClass flow_class) {
  return flow_class == FlowClass::established || flow_class == FlowClass::closing ||
         flow_class == FlowClass::untracked || flow_class == FlowClass::own ||
         flow_class == FlowClass::spliced;
}

// Whoever runs the connection next goes on from the highest timestamp (RFC 7323 5). `elapsed`:
// since the last one. One that leaps is believed where the checksum is right: no host heeds the
// others.
void note_clock(FlowEntry& leg, const Packet& packet, Tick elapsed) {
  constexpr Tick kLeap = 1000;
  for (TcpOptionWalk walk(TcpHeader(packet.at(packet.headers.l4))); walk.next();) {
    if (!walk.option().is_timestamps()) continue;
    const uint32_t more = walk.option().tsval() - leg.detail;
    if (static_cast<int32_t>(more) <= 0) return;
    if (more <= 2 * elapsed + kLeap || l4_checksum_is_right(packet)) leg.detail += more;
    return;
  }
}

bool has_timestamp(const Packet& packet) {
  for (TcpOptionWalk walk(TcpHeader(packet.at(packet.headers.l4))); walk.next();) {
    if (walk.option().is_timestamps()) return true;
  }
  return false;
}

template <size_t... I>
std::array<TimerWheel, kFlowClasses> make_wheels(TimerLinks& links, Tick now,
                                                 std::index_sequence<I...>) {
  return {TimerWheel(links, I, now)...};
}

}  // namespace

Flows::Flows(const Options& options, const Parts& parts, Instant now)
    : options_(options),
      stack_(parts.stack),
      outbox_(parts.outbox),
      counters_(parts.counters),
      time_(parts.time),
      table_(options.limits.all_flows() + kMostOver, options.seed),
      time_waits_(options.limits.all_time_waits(), options.seed ^ 7, parts.time.tick(now)),
      waiting_(options.limits.waiting_flows, options.limits.waiting_packets, parts.pool,
               parts.counters),
      links_(options.limits.all_flows() + kMostOver, kFlowClasses),
      wheels_(make_wheels(links_, parts.time.tick(now), std::make_index_sequence<kFlowClasses>{})),
      serials_(options.node),
      next_statistics_(parts.time.tick(now)) {}

// Of what does not say by itself when it is over.
Duration Flows::idle_timeout_of(uint8_t protocol) const {
  switch (protocol) {
    case kProtocolTcp: return options_.timeouts.established;
    case kProtocolUdp: return options_.timeouts.udp;
    case kProtocolIcmp:
    case kProtocolIcmpv6: return options_.timeouts.icmp;
    default: return options_.timeouts.other;
  }
}

Tick Flows::timeout_of(PairIndex index, FlowClass flow_class) const {
  const FlowTimeouts& timeouts = options_.timeouts;
  const auto ticks = [](Duration span) { return static_cast<Tick>(span.milliseconds()); };
  switch (flow_class) {
    case FlowClass::waiting:
    case FlowClass::opening: return ticks(timeouts.opening);
    case FlowClass::closing: return ticks(timeouts.closing);
    case FlowClass::refused: return ticks(timeouts.refused);
    case FlowClass::linger: return ticks(timeouts.linger);
    case FlowClass::own:
    case FlowClass::spliced:
    case FlowClass::datagrams:
    case FlowClass::established:
    case FlowClass::untracked: break;
  }
  const uint16_t own = table_.pair(index).idle_seconds;
  if (own != 0) return ticks(Duration::seconds(own));
  if (flow_class == FlowClass::datagrams)
    return ticks(timeouts.udp);  // it may have no client's leg
  return ticks(idle_timeout_of(table_.leg(client_leg(index)).protocol));
}

Tick Flows::idle_until(Instant now, PairIndex index) const {
  return last_seen(now, index) + timeout_of(index, table_.pair(index).flow_class);
}

Tick Flows::last_seen(Instant now, PairIndex index) const {
  const FlowPair& flow = table_.pair(index);
  if (flow.flow_class == FlowClass::own) return own_connections_->last_active(now, index);
  const bool has_legs = flow.mode == PairMode::splice || !(flow.flags & FlowPair::kAsked);
  if (!has_legs) return time_.tick(now);  // it ends
  const Tick client = table_.leg(client_leg(index)).last_seen;
  const Tick server = table_.leg(server_leg(index)).last_seen;
  return tick_before(client, server) ? server : client;
}

void Flows::move_class(Instant now, PairIndex index, FlowClass flow_class, Tick deadline) {
  FlowPair& flow = pair(index);
  if (takes_place(flow_class) && !takes_place(flow.flow_class)) make_place(now);
  if (flow.flow_class != flow_class) {
    wheel(flow.flow_class).cancel(index);
    if (flow.flow_class == FlowClass::linger) counters_.lower(Counter::lingering);
    if (flow_class == FlowClass::linger) counters_.raise(Counter::lingering);
    flow.flow_class = flow_class;
  }
  wheel(flow_class).arm(index, deadline);
}

void Flows::set_class(Instant now, PairIndex index, FlowClass flow_class) {
  move_class(now, index, flow_class, time_.tick(now) + timeout_of(index, flow_class));
}

// The packet takes its place first: what cannot wait must not push out another flow.
void Flows::open(Instant now, Packet& packet, uint16_t vs, uint16_t flags) {
  const WaitingRoom::Place place = waiting_.enter();
  if (place == WaitingRoom::kNoPlace) return packet.drop(DropReason::waiting_full);
  waiting_.join(place, packet);
  if (packet.verdict != Verdict::none) return waiting_.give_back(place);
  if (opens_session(packet)) forget_past(now, packet);
  const PairIndex index = allocate(now);
  if (index == kNoPair || !table_.enter(client_leg(index), packet.key)) {
    if (index != kNoPair) table_.release(index);
    waiting_.give_back(place);
    return packet.drop(DropReason::flow_table_full);
  }
  FlowPair& flow = pair(index);
  flow.serial = serials_.next();
  flow.opened = time_.tick(now);
  flow.vs = vs;
  flow.flags = flags;
  flow.flow_class = FlowClass::waiting;
  FlowEntry& leg = table_.leg(client_leg(index));
  leg.detail = place;
  leg.last_seen = flow.opened;
  counters_.raise(Counter::queries);
  expire_waiting(now, index);
}

// Flows of an earlier session with this signature, whatever their DSCP, would send packets of the
// new one where they went then.
void Flows::forget_past(Instant now, const Packet& syn) {
  forget_where(now, syn.key, [&](LegIndex leg) { return gives_way(leg, syn); });
}

void Flows::forget_past(Instant now, const FlowKey& key) {
  forget_where(now, key, [&](LegIndex leg) { return is_over(leg); });
}

template <class IsPast>
void Flows::forget_where(Instant now, const FlowKey& key, IsPast&& is_past) {
  PairIndex past[FlowTable::kMostVariants];
  size_t count = 0;
  table_.for_each_variant(key, [&](LegIndex leg) {
    if (is_past(leg)) past[count++] = pair_of(leg);
  });
  for (size_t i = 0; i < count; ++i) {
    if (pair(past[i]).flow_class != FlowClass::linger) end_session(now, past[i], EndReason::fin);
    forget(now, past[i]);
  }
}

// SYN retransmissions while the first waits would reach the server as duplicates (HS-05).
void Flows::wait(LegIndex leg, Packet& packet) {
  const WaitingRoom::Place place = table_.leg(leg).detail;
  if (opens_session(packet) && opens_session(waiting_.first(place)->packet)) {
    return packet.drop(DropReason::waiting_duplicate);
  }
  waiting_.join(place, packet);
}

PairIndex Flows::allocate(Instant now) {
  const bool full = live_pairs() >= options_.limits.all_flows();
  return full && !evict_passing(now) ? kNoPair : table_.allocate();
}

// Makes room for a flow that begins (FLOWLIFE-03 to 05): what is over or was refused first, then
// the half-open one that was silent longest; never one that waits for its decision. Those in use
// keep their places, so no flood takes any, and a table full of them has room for handshakes.
bool Flows::evict_passing(Instant now) {
  return evict_over(now, FlowClass::linger) || evict_over(now, FlowClass::refused) ||
         evict_alive(now, FlowClass::opening);
}

// Makes room among those in use for one that comes to be: where all places are taken, the least
// recently used flow of UDP or the like goes, then one of UDP that we end, else such a connection;
// never one in its close.
void Flows::make_place(Instant now) {
  if (pairs_in_place() < options_.limits.flows) return;
  if (evict_alive(now, FlowClass::untracked) || evict_datagrams(now)) return;
  evict_alive(now, FlowClass::established);
}

uint32_t Flows::pairs_in_place() const {
  return wheel(FlowClass::established).count() + wheel(FlowClass::closing).count() +
         wheel(FlowClass::untracked).count() + wheel(FlowClass::datagrams).count() +
         wheel(FlowClass::spliced).count() + own_pairs_in_use_;
}

// Makes room where the neighbour table is full of next hops that flows refer to: those of the hosts
// on our links that clients claim to be. Established flows never give way; refused ones refer to
// none.
bool Flows::evict_for_next_hop(Instant now) {
  return evict_over(now, FlowClass::linger) || evict_alive(now, FlowClass::opening) ||
         evict_alive(now, FlowClass::untracked) || evict_datagrams(now);
}

bool Flows::evict_datagrams(Instant now) { return evict_alive(now, FlowClass::datagrams); }

bool Flows::evict_over(Instant now, FlowClass flow_class) {
  const TimerId index = wheel(flow_class).first();
  return index != kNoTimer && forget(now, index);
}

bool Flows::evict_alive(Instant now, FlowClass flow_class) {
  if (!outbox_.has_room(StateView::kSize)) return false;
  const PairIndex index = least_recently_used(now, flow_class);
  if (index == kNoPair) return false;
  end_session(now, index, EndReason::overflow);
  if (flow_class == FlowClass::opening) opening_until_ = now + options_.timeouts.opening;
  return pair(index).mode != PairMode::translate;  // where there was room to tell of it, too
}

// The first timer that is due tells, unless packets came since it was set: then it is put right and
// the next one asked, a bounded number of times. Of time-outs that differ it is the one that would
// end first. As exact as the wheel: to 256 ms for time-outs of a minute, to 65 s for those of
// hours.
PairIndex Flows::least_recently_used(Instant now, FlowClass flow_class) {
  PairIndex oldest = kNoPair;
  for (int looks = 0; looks < 64; ++looks) {
    const TimerId index = wheel(flow_class).first();
    if (index == kNoTimer) break;
    const Tick due = idle_until(now, index);
    if (oldest == kNoPair || tick_before(due, idle_until(now, oldest))) oldest = index;
    if (!tick_before(links_.deadline(index), due)) break;
    wheel(flow_class).arm(index, due);
  }
  return oldest;
}

LegIndex Flows::leg_of_any_dscp(const FlowKey& key) const {
  LegIndex found = kNoLeg;
  table_.for_each_variant(key, [&found](LegIndex leg) { found = leg; });
  return found;
}

bool Flows::opens_session(const Packet& packet) {
  return (packet.headers.tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
}

bool Flows::begins_anew(LegIndex leg, const Packet& packet) const {
  return opens_session(packet) && gives_way(leg, packet);
}

// Or both sides have sent all that they had: an acknowledgement that was lost keeps no client from
// its port.
bool Flows::is_over(LegIndex leg) const {
  const FlowClass flow_class = table_.pair(pair_of(leg)).flow_class;
  return flow_class == FlowClass::linger ||
         (flow_class == FlowClass::closing && both_have_ended(session_leg(leg)));
}

bool Flows::gives_way(LegIndex leg, const Packet& syn) const {
  if (!is_over(leg)) return false;
  const bool lingers = table_.pair(pair_of(leg)).flow_class == FlowClass::linger;
  return lingers || is_beyond(session_leg(leg), 0, syn);
}

bool Flows::both_have_ended(LegIndex leg) const {
  return table_.leg(leg).tcp.has(LegTcpState::kFin) &&
         table_.leg(other_leg(leg)).tcp.has(LegTcpState::kFin);
}

// Whether a flow is over for the node whose packets it takes by `holder`, so that a SYN of the same
// client by another way begins anew there. A node in TIME-WAIT tells a new SYN by its number, or by
// its timestamp (RFC 6191), and clients choose both apart for each server that they know of (RFC
// 6528, RFC 7323 5.4): of the timestamps nothing is remembered here.
bool Flows::is_past(LegIndex holder, const Packet* first) const {
  const FlowPair& flow = table_.pair(pair_of(holder));
  const bool lingers = flow.flow_class == FlowClass::linger;
  if (!lingers && flow.flow_class != FlowClass::closing) return false;
  if (first == nullptr || !opens_session(*first)) return lingers;
  const PairIndex session = session_of(pair_of(holder));
  const bool server_waits = (table_.pair(session).flags & FlowPair::kServerWaits) != 0;
  const bool waits = server_waits != is_client_leg(holder);
  if (lingers && (flow.end_reason == EndReason::rst || !waits)) return true;
  if (!waits || has_timestamp(*first)) return false;
  const LegIndex sender = is_client_leg(holder) ? server_leg(session) : client_leg(session);
  const bool moved = !is_client_leg(holder) && (table_.leg(sender).flags & LegFlags::kOffsets);
  return is_beyond(sender, moved ? table_.offsets(session).seq : 0, *first);
}

// Both sides have closed, and a SYN of the old connection is not beyond it (RFC 9293 3.6.1).
// `offset`: what is added to the numbers of this leg on their way.
bool Flows::is_beyond(LegIndex sender, uint32_t offset, const Packet& syn) const {
  return both_have_ended(sender) &&
         TcpHeader(syn.at(syn.headers.l4)).seq() > Seq(table_.leg(sender).seq_end + offset);
}

bool Flows::follow(Instant now, LegIndex index, const Packet& packet) {
  const FlowPair& flow = pair(pair_of(index));
  FlowEntry& leg = table_.leg(index);
  const uint32_t segments = packet.wire_segments();
  const uint32_t header = packet.headers.payload - packet.headers.l3;
  const Tick elapsed = time_.tick(now) - leg.last_seen;
  leg.last_seen += elapsed;
  leg.packets += segments;
  leg.bytes += packet.headers.end - packet.headers.l3 + uint64_t{segments - 1} * header;
  if (flow.flow_class == FlowClass::linger) return true;
  // A variant has a client's leg only; what it shows, it shows of the session.
  const PairIndex session = session_of(pair_of(index));
  FlowEntry& from = session == pair_of(index) ? leg : table_.leg(client_leg(session));
  from.last_seen = leg.last_seen;
  if (leg.protocol != kProtocolTcp || (flow.flags & FlowPair::kHalfFlow)) return true;
  if (packet.headers.headless) return true;
  // No host obeys a FIN or RST with a wrong checksum.
  constexpr uint8_t kEnds = kTcpFin | kTcpRst;
  if ((packet.headers.tcp_flags & kEnds) && !l4_checksum_is_right(packet)) return true;
  TrackedSegment segment = tracked(packet);
  if ((leg.flags & (LegFlags::kOffsets | LegFlags::kSwitched)) && !is_client_leg(index)) {
    // Both legs are followed in the client's sequence spaces.
    if (leg.flags & LegFlags::kSwitched) renumber_switched(now, index, segment);
    segment.seq -= table_.offsets(session).ack;
    segment.ack -= table_.offsets(session).seq;
  }
  FlowEntry& to = table_.leg(is_client_leg(index) ? server_leg(session) : client_leg(session));
  const uint32_t end = segment.seq + segment.length;
  // Of a spliced pair it is told what has passed, not what was sent and has not come so far.
  const bool is_empty = segment.length == 0 && !(segment.flags & kTcpRst);
  if (flow.mode == PairMode::splice && is_empty && Seq(end) > Seq(from.seq_end)) {
    segment.seq = from.seq_end;
  }
  const TrackEvent event = track_tcp(from, to, segment);
  // Nobody who guesses knows where the sender is.
  if (flow.mode == PairMode::splice && end == leg.seq_end) note_clock(leg, packet, elapsed);
  const bool from_server = !is_client_leg(index);
  if (from_server && from.tcp.has(LegTcpState::kFin) && !to.tcp.has(LegTcpState::kFinAcked)) {
    pair(session).flags |= FlowPair::kServerWaits;
  }
  if (event == TrackEvent::refused) return flow.mode != PairMode::splice;
  if (event != TrackEvent::none) apply_event(now, session, event);
  return true;
}

// Apart from the above, which every packet meets.
[[gnu::noinline]] void Flows::apply_event(Instant now, PairIndex index, TrackEvent event) {
  switch (event) {
    case TrackEvent::established: return set_class(now, index, FlowClass::established);
    case TrackEvent::closing: return set_class(now, index, FlowClass::closing);
    case TrackEvent::closed: return end_session(now, index, EndReason::fin);
    case TrackEvent::reset: return end_session(now, index, EndReason::rst);
    case TrackEvent::none:
    case TrackEvent::refused: return;
  }
}

}  // namespace sluice
