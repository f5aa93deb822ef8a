// The part of Flows for legs of the engine's own: they come and go with their connections, or with
// sockets of UDP.

#include <algorithm>
#include <utility>

#include "segment/flows.h"
#include "wire/ip_protocol.h"

namespace sluice {

namespace {

bool is_entered(const FlowEntry& leg) { return (leg.flags & LegFlags::kEntered) != 0; }

}  // namespace

LegIndex Flows::open_own_client(Instant now, const FlowKey& key, uint16_t vs, DropReason& why) {
  const PairIndex index = allocate_own(now, vs, key.protocol);
  if (index == kNoPair) {
    why = DropReason::flow_table_full;
    return kNoLeg;
  }
  return open_own(now, client_leg(index), key, key.src, why);
}

LegIndex Flows::open_own_server(Instant now, const FlowKey& key, PairIndex beside, DropReason& why,
                                const IpAddress& via) {
  const bool has_place = beside != kNoPair && !is_entered(table_.leg(server_leg(beside)));
  const PairIndex index = has_place ? beside : allocate_own(now, 0, key.protocol);
  if (index == kNoPair) {
    why = DropReason::flow_table_full;
    return kNoLeg;
  }
  if (!has_place) pair(index).flags |= FlowPair::kOutbound;
  return open_own(now, server_leg(index), key, via.is_zero() ? key.src : via, why);
}

// Where there is no place, a flow of UDP gives way, so that none of them takes a connection's,
// whatever floods us.
PairIndex Flows::allocate_own(Instant now, uint16_t vs, uint8_t protocol) {
  if (pairs_in_place() >= options_.limits.flows && !evict_datagrams(now)) return kNoPair;
  const PairIndex index = allocate(now);
  if (index == kNoPair) return kNoPair;
  FlowPair& flow = pair(index);
  flow.serial = serials_.next();
  flow.opened = time_.tick(now);
  flow.vs = vs;
  flow.mode = PairMode::proxied;
  flow.flags |= FlowPair::kOwn;
  counters_.raise(Counter::flows_opened);
  if (protocol == kProtocolUdp) {
    set_class(now, index, FlowClass::datagrams);
  } else {
    flow.flow_class = FlowClass::own;
    ++own_pairs_in_use_;
  }
  return index;
}

// Whatever DSCP the peer sends with. A TIME-WAIT has the signature until somebody else needs it.
// `to` is where what is sent goes first.
LegIndex Flows::open_own(Instant now, LegIndex leg, const FlowKey& key, const IpAddress& to,
                         DropReason& why) {
  const bool taken = leg_of_any_dscp(key) != kNoLeg;
  why = taken ? DropReason::tuple_in_use : DropReason::flow_table_full;
  if (table_.enter_any_dscp(leg, key)) {
    FlowEntry& entry = table_.leg(leg);
    entry.own = {};
    if (key.protocol == kProtocolUdp) touch_own(now, leg);
    entry.next_hop = acquire_own_hop(now, key, to, why);
    if (entry.next_hop != kNoNextHop) {
      forget_time_wait(key);
      return leg;
    }
  }
  close_own(now, leg, EndReason::reset);
  return kNoLeg;
}

// Whoever has the signature now, the numbers of the old connection are not his.
void Flows::forget_time_wait(const FlowKey& key) {
  const TimeWaitTable::Index earlier = time_waits_.find(key);
  if (earlier != TimeWaitTable::kNone) time_waits_.remove(earlier);
}

// Nothing gives way to a flow of UDP: it could be the one in hand. Within a batch what gives way
// frees its next hop at the end, so it is the SYN that comes again that finds one.
NextHop Flows::acquire_own_hop(Instant now, const FlowKey& key, const IpAddress& to,
                               DropReason& why) {
  if (key.protocol == kProtocolTcp && !batch_open_) return acquire_hop(now, to, why);
  const NextHop hop = stack_.acquire_next_hop(now, to, why);
  const bool is_full = hop == kNoNextHop && why == DropReason::neighbor_table_full;
  if (is_full && key.protocol == kProtocolTcp) evict_datagrams(now);
  return hop;
}

// Either leg's time is that of the pair, so that one which is not there says nothing.
void Flows::touch_own(Instant now, LegIndex leg) {
  table_.leg(leg).last_seen = table_.leg(other_leg(leg)).last_seen = time_.tick(now);
}

void Flows::set_idle(Instant now, PairIndex index, uint32_t seconds) {
  pair(index).idle_seconds = static_cast<uint16_t>(std::min<uint32_t>(seconds, UINT16_MAX));
  set_class(now, index, FlowClass::datagrams);
}

// What the one receives the other's peer gets, from the endpoint that it knows: a next hop leads to
// where what comes by the leg goes on. They count anew, unless the control segment is told of them.
bool Flows::splice(PairIndex index) {
  const LegIndex client = client_leg(index);
  const LegIndex server = server_leg(index);
  const FlowKey asked = table_.key_of(client);
  const FlowKey answered = table_.key_of(server);
  if (asked.src.is_v4() != answered.src.is_v4()) return false;
  table_.set_target(client, answered.reversed());
  table_.set_target(server, asked.reversed());
  std::swap(table_.leg(client).next_hop, table_.leg(server).next_hop);
  for (const LegIndex leg : {client, server}) {
    table_.leg(leg).flags |= LegFlags::kDecrementTtl;
    if (!(pair(index).flags & FlowPair::kAsked))
      table_.leg(leg).packets = table_.leg(leg).bytes = 0;
  }
  pair(index).mode = PairMode::splice;
  return true;
}

void Flows::unsplice(PairIndex index) {
  std::swap(table_.leg(client_leg(index)).next_hop, table_.leg(server_leg(index)).next_hop);
  pair(index).mode = PairMode::proxied;
}

void Flows::splice(Instant now, PairIndex index, const TcpOffsets& offsets, const Shown& client,
                   const Shown& server) {
  splice(index);
  table_.offsets(index) = offsets;
  const auto show = [&](LegIndex leg, const Shown& shown) {
    FlowEntry& entry = table_.leg(leg);
    entry.flags |= LegFlags::kOffsets;
    entry.tcp = LegTcpState{};
    entry.tcp.set(LegTcpState::kSeen | LegTcpState::kAcked);
    entry.tcp.set_scale(shown.scale);
    entry.seq_end = shown.seq_end.raw();
    entry.acked = shown.acked.raw();
    entry.window = static_cast<uint16_t>(
        std::min<uint32_t>(static_cast<uint32_t>(shown.edge - shown.acked) >> shown.scale, 0xffff));
    entry.detail = shown.tsval;
    entry.last_seen = time_.tick(now);
  };
  show(client_leg(index), client);
  show(server_leg(index), server);
  --own_pairs_in_use_;
  set_class(now, index, FlowClass::spliced);
}

Flows::Shown Flows::shown(LegIndex leg) const {
  const FlowEntry& entry = table_.leg(leg);
  const Seq acked(entry.acked);
  return {Seq(entry.seq_end), acked, acked + (uint32_t{entry.window} << entry.tcp.scale()),
          entry.tcp.scale(), entry.detail};
}

void Flows::take_back(PairIndex index) {
  unsplice(index);
  wheel(pair(index).flow_class).cancel(index);
  pair(index).flow_class = FlowClass::own;
  ++own_pairs_in_use_;
  for (const LegIndex leg : {client_leg(index), server_leg(index)}) {
    FlowEntry& entry = table_.leg(leg);
    entry.flags &= static_cast<uint8_t>(~(LegFlags::kOffsets | LegFlags::kDecrementTtl));
    entry.tcp = LegTcpState{};
    entry.own = {};
  }
}

void Flows::end_spliced(Instant now, PairIndex index, uint8_t reason) {
  mark(index, FlowPair::kInTransition | FlowPair::kCounted | FlowPair::kReported, false);
  end(now, index, reason);
}

void Flows::mark(PairIndex index, uint16_t flag, bool on) {
  uint16_t& flags = pair(index).flags;
  flags = static_cast<uint16_t>(on ? flags | flag : flags & ~flag);
}

void Flows::advance(LegIndex leg, uint32_t bytes) { table_.leg(leg).seq_end += bytes; }

void Flows::count_own(LegIndex leg, const Packet& packet) {
  FlowEntry& entry = table_.leg(leg);
  entry.packets += packet.wire_segments();
  entry.bytes += packet.headers.end - packet.headers.l3;
}

TimeWaitTable::Index Flows::keep_in_time_wait(Instant now, LegIndex leg, Duration span,
                                              uint8_t reason) {
  const TimeWaitTable::Index kept = time_waits_.add(table_.key_of(leg), table_.leg(leg).own.tcp,
                                                    !is_client_leg(leg), time_.tick(now), span);
  close_own(now, leg, reason);
  return kept;
}

void Flows::close_own(Instant now, LegIndex leg, uint8_t reason) {
  FlowEntry& entry = table_.leg(leg);
  const PairIndex index = pair_of(leg);
  if (entry.next_hop != kNoNextHop) stack_.release_next_hop(entry.next_hop);
  table_.leave(leg);
  if (is_asked(index)) {
    // Its signature and its counts are to be told yet.
    entry.own = {};
    entry.next_hop = kNoNextHop;
  } else {
    entry = FlowEntry{};
  }
  if (pair(index).flow_class == FlowClass::datagrams) {
    entry.last_seen = table_.leg(other_leg(leg)).last_seen;
  }
  if (!is_entered(table_.leg(other_leg(leg)))) end_own_pair(now, index, reason);
}

}  // namespace sluice
