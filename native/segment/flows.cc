#include "segment/flows.h"

#include <utility>

#include "wire/ip_protocol.h"
#include "wire/tcp.h"
#include "wire/tcp_options.h"

namespace sluice {

namespace {

TrackedSegment tracked(const Packet& packet) {
  const TcpHeader tcp(packet.at(packet.headers.l4));
  TrackedSegment segment;
  segment.flags = tcp.flags();
  segment.seq = tcp.seq().raw();
  segment.ack = tcp.ack().raw();
  segment.window = tcp.window();
  segment.length =
      packet.headers.end - packet.headers.payload + tcp.has(kTcpSyn) + tcp.has(kTcpFin);
  if (!tcp.has(kTcpSyn)) return segment;
  for (TcpOptionWalk walk(tcp); walk.next();) {
    if (walk.option().is_window_scale()) segment.window_scale = walk.option().window_scale();
  }
  return segment;
}

bool opens_session(const Packet& packet) {
  return (packet.headers.tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
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
      table_(options.limits.flows + kMostOver, options.seed),
      waiting_(options.limits.waiting_flows, options.limits.waiting_packets, parts.pool,
               parts.counters),
      offsets_(options.limits.flows + kMostOver),
      links_(options.limits.flows + kMostOver, kFlowClasses),
      wheels_(make_wheels(links_, parts.time.tick(now), std::make_index_sequence<kFlowClasses>{})),
      next_statistics_(parts.time.tick(now)) {}

// SSMB-11, 16: the top bit tells a data flow segment's serials from a control segment's, seven bits
// name the segment.
uint32_t Flows::next_serial() {
  serial_counter_ = (serial_counter_ + 1) & 0x00ffffff;
  return 0x80000000u | uint32_t{options_.node} << 24 | serial_counter_;
}

Tick Flows::timeout_of(const FlowPair& pair) const {
  const FlowTimeouts& timeouts = options_.timeouts;
  const bool own = pair.idle_seconds != 0;
  const Duration idle = Duration::seconds(pair.idle_seconds);
  switch (pair.flow_class) {
    case FlowClass::waiting:
    case FlowClass::opening: return static_cast<Tick>(timeouts.opening.milliseconds());
    case FlowClass::established:
      return static_cast<Tick>((own ? idle : timeouts.established).milliseconds());
    case FlowClass::closing: return static_cast<Tick>(timeouts.closing.milliseconds());
    case FlowClass::udp: return static_cast<Tick>((own ? idle : timeouts.udp).milliseconds());
    case FlowClass::refused: return static_cast<Tick>(timeouts.refused.milliseconds());
    case FlowClass::linger: return static_cast<Tick>(timeouts.linger.milliseconds());
  }
  return 0;
}

Tick Flows::last_seen(PairIndex index) const {
  const Tick client = table_.leg(client_leg(index)).last_seen;
  const Tick server = table_.leg(server_leg(index)).last_seen;
  return tick_before(client, server) ? server : client;
}

void Flows::move_class(PairIndex index, FlowClass flow_class, Tick deadline) {
  FlowPair& flow = pair(index);
  if (flow.flow_class != flow_class) {
    wheel(flow.flow_class).cancel(index);
    if (flow.flow_class == FlowClass::linger) counters_.lower(Counter::time_wait);
    if (flow_class == FlowClass::linger) counters_.raise(Counter::time_wait);
    flow.flow_class = flow_class;
  }
  wheel(flow_class).arm(index, deadline);
}

void Flows::set_class(Instant now, PairIndex index, FlowClass flow_class) {
  FlowPair aged = pair(index);
  aged.flow_class = flow_class;
  move_class(index, flow_class, time_.tick(now) + timeout_of(aged));
}

void Flows::open(Instant now, Packet& packet, uint16_t vs, bool outbound) {
  DropReason why;
  const PairIndex index = allocate(now, why);
  if (index == kNoPair) return packet.drop(why);
  const WaitingRoom::Place place = waiting_.enter();
  if (place == WaitingRoom::kNoPlace || !table_.enter(client_leg(index), packet.key)) {
    if (place != WaitingRoom::kNoPlace) waiting_.leave(place);
    table_.release(index);
    return packet.drop(place == WaitingRoom::kNoPlace ? DropReason::waiting_full
                                                      : DropReason::flow_table_full);
  }
  FlowPair& flow = pair(index);
  flow.serial = next_serial();
  flow.opened = time_.tick(now);
  flow.vs = vs;
  flow.in_port = packet.in_port;
  flow.flags = outbound ? FlowPair::kOutbound : 0;
  FlowEntry& leg = table_.leg(client_leg(index));
  leg.detail = place;
  leg.last_seen = flow.opened;
  waiting_.join(place, packet);
  flow.flow_class = FlowClass::waiting;
  if (packet.verdict != Verdict::none) return remove(index);
  counters_.raise(Counter::queries);
  expire_waiting(now, index);
}

// SYN retransmissions while the first waits would reach the server as duplicates (HS-05).
void Flows::wait(LegIndex leg, Packet& packet) {
  const WaitingRoom::Place place = table_.leg(leg).detail;
  const PooledPacket* first = waiting_.first(place);
  if (opens_session(packet) && first != nullptr && opens_session(first->packet)) {
    return packet.drop(DropReason::waiting_duplicate);
  }
  waiting_.join(place, packet);
}

PairIndex Flows::allocate(Instant now, DropReason& why) {
  why = DropReason::flow_table_full;
  const bool full = live_pairs() >= options_.limits.flows;
  return full && !evict_one(now) ? kNoPair : table_.allocate();
}

// Makes room when the table is full (FLOWLIFE-03 to 05): what is over or was refused first, then
// half-open flows, then the least recently used; never a flow in its handshake with the control
// segment or in its close. A timer that passed over activity is put right on the way, which the
// bound keeps short.
bool Flows::evict_one(Instant now) {
  static constexpr FlowClass kOrder[] = {FlowClass::linger, FlowClass::refused, FlowClass::opening,
                                         FlowClass::udp, FlowClass::established};
  if (!outbox_.has_room(DeleteView::kSize)) return false;
  for (const FlowClass flow_class : kOrder) {
    for (int attempts = 0; attempts < 64; ++attempts) {
      const TimerId index = wheel(flow_class).first();
      if (index == kNoTimer) break;
      const Tick due = last_seen(index) + timeout_of(pair(index));
      const bool idles = flow_class != FlowClass::linger && flow_class != FlowClass::refused;
      if (idles && attempts < 63 && tick_before(links_.deadline(index), due)) {
        wheel(flow_class).arm(index, due);
        continue;
      }
      if (idles) {
        pair(index).end_reason = EndReason::overflow;
        report_end(now, index, SsmbError::none);
        counters_.raise(Counter::flows_evicted);
      }
      remove(index);
      return true;
    }
  }
  return false;
}

bool Flows::follow(Instant now, LegIndex index, const Packet& packet) {
  const PairIndex flow_index = pair_of(index);
  FlowPair& flow = pair(flow_index);
  FlowEntry& leg = table_.leg(index);
  const bool tcp = leg.protocol == kProtocolTcp;
  // DFS-20: the signature of a closed flow may begin a new session at once.
  if (flow.flow_class == FlowClass::linger && tcp && opens_session(packet)) {
    counters_.raise(Counter::flows_removed);
    remove(flow_index);
    return false;
  }
  const uint32_t segments = packet.wire_segments();
  const uint32_t header = packet.headers.payload - packet.headers.l3;
  leg.last_seen = time_.tick(now);
  leg.packets += segments;
  leg.bytes += packet.headers.end - packet.headers.l3 + uint64_t{segments - 1} * header;
  if (!tcp || (flow.flags & FlowPair::kHalfFlow)) return true;
  TrackedSegment segment = tracked(packet);
  if ((leg.flags & LegFlags::kOffsets) && !is_client_leg(index)) {
    // Both legs are followed in the client's sequence spaces.
    segment.seq -= offsets_[flow_index].ack;
    segment.ack -= offsets_[flow_index].seq;
  }
  apply_event(now, flow_index, track_tcp(leg, table_.leg(other_leg(index)), segment));
  return true;
}

void Flows::apply_event(Instant now, PairIndex index, TrackEvent event) {
  if (event == TrackEvent::none || pair(index).flow_class == FlowClass::linger) return;
  switch (event) {
    case TrackEvent::established: return set_class(now, index, FlowClass::established);
    case TrackEvent::closing: return set_class(now, index, FlowClass::closing);
    case TrackEvent::closed:
      counters_.raise(Counter::flows_closed_fin);
      return end_variants(now, index, EndReason::fin);
    case TrackEvent::reset:
      counters_.raise(Counter::flows_closed_rst);
      return end_variants(now, index, EndReason::rst);
    case TrackEvent::none: return;
  }
}

}  // namespace sluice
