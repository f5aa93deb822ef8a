// The part of Flows for legs that the engine runs TCP for: they come and go with their connections,
// and stay for TIME-WAIT.

#include "segment/flows.h"

namespace sluice {

namespace {

bool is_entered(const FlowEntry& leg) { return (leg.flags & LegFlags::kEntered) != 0; }
bool is_in_time_wait(const FlowEntry& leg) { return (leg.flags & LegFlags::kTimeWait) != 0; }

}  // namespace

LegIndex Flows::open_own_client(Instant now, const FlowKey& key, uint16_t vs, DropReason& why) {
  const PairIndex index = allocate_own(now, vs);
  if (index == kNoPair) {
    why = DropReason::flow_table_full;
    return kNoLeg;
  }
  return open_own(now, client_leg(index), key, why);
}

LegIndex Flows::open_own_server(Instant now, const FlowKey& key, PairIndex beside,
                                DropReason& why) {
  const bool has_place = beside != kNoPair && !is_entered(table_.leg(server_leg(beside)));
  const PairIndex index = has_place ? beside : allocate_own(now, 0);
  if (index == kNoPair) {
    why = DropReason::flow_table_full;
    return kNoLeg;
  }
  if (!has_place) pair(index).flags |= FlowPair::kOutbound;
  return open_own(now, server_leg(index), key, why);
}

PairIndex Flows::allocate_own(Instant now, uint16_t vs) {
  const PairIndex index = allocate(now);
  if (index == kNoPair) return kNoPair;
  FlowPair& flow = pair(index);
  flow.serial = serials_.next();
  flow.opened = time_.tick(now);
  flow.vs = vs;
  flow.mode = PairMode::proxied;
  flow.flow_class = FlowClass::own;
  ++own_pairs_in_use_;
  counters_.raise(Counter::flows_opened);
  return index;
}

// Whatever DSCP the peer sends with. A TIME-WAIT has the signature until somebody else needs it.
LegIndex Flows::open_own(Instant now, LegIndex leg, const FlowKey& key, DropReason& why) {
  const LegIndex holder = leg_of_any_dscp(key);
  if (holder != kNoLeg && is_in_time_wait(table_.leg(holder))) close_own(holder, EndReason::fin);
  why = holder != kNoLeg ? DropReason::tuple_in_use : DropReason::flow_table_full;
  if (table_.enter_any_dscp(leg, key)) {
    FlowEntry& entry = table_.leg(leg);
    entry.own = {};
    entry.next_hop = acquire_hop(now, key.src, why);
    if (entry.next_hop != kNoNextHop) return leg;
  }
  close_own(leg, EndReason::reset);
  return kNoLeg;
}

void Flows::count_own(LegIndex leg, const Packet& packet) {
  FlowEntry& entry = table_.leg(leg);
  entry.packets += packet.wire_segments();
  entry.bytes += packet.headers.end - packet.headers.l3;
}

// The wheel holds pairs: the leg that goes first arms it, and the other one is looked at then.
void Flows::keep_in_time_wait(LegIndex leg, Tick until) {
  FlowEntry& entry = table_.leg(leg);
  const PairIndex index = pair_of(leg);
  if (!is_in_time_wait(entry)) ++in_time_wait_;
  entry.flags |= LegFlags::kTimeWait;
  entry.own.connection = until;
  const bool earlier = links_.armed(index) && tick_before(links_.deadline(index), until);
  if (!earlier) wheel(FlowClass::own).arm(index, until);
}

void Flows::close_own(LegIndex leg, uint8_t reason) {
  FlowEntry& entry = table_.leg(leg);
  const PairIndex index = pair_of(leg);
  if (is_in_time_wait(entry)) --in_time_wait_;
  if (entry.next_hop != kNoNextHop) stack_.release_next_hop(entry.next_hop);
  table_.leave(leg);
  entry = FlowEntry{};
  if (!is_entered(table_.leg(other_leg(leg)))) end_own_pair(index, reason);
}

void Flows::expire_own(Instant now, PairIndex index) {
  const Tick tick = time_.tick(now);
  Tick next = tick;
  for (const LegIndex leg : {client_leg(index), server_leg(index)}) {
    if (!is_in_time_wait(table_.leg(leg))) continue;
    const Tick until = table_.leg(leg).own.connection;
    if (tick_before(tick, until)) {
      if (next == tick || tick_before(until, next)) next = until;
    } else {
      close_own(leg, EndReason::fin);
    }
  }
  if (next != tick && pair(index).mode == PairMode::proxied) {
    wheel(FlowClass::own).arm(index, next);
  }
}

// TIME-WAIT goes first where there is no room (MEM-18): of the pairs that nobody uses any more the
// one that would go next.
bool Flows::evict_time_wait() {
  const TimerId index = wheel(FlowClass::own).first();
  if (index == kNoTimer) return false;
  for (const LegIndex leg : {client_leg(index), server_leg(index)}) {
    if (is_entered(table_.leg(leg)) && !is_in_time_wait(table_.leg(leg))) return false;
  }
  for (const LegIndex leg : {client_leg(index), server_leg(index)}) {
    if (is_in_time_wait(table_.leg(leg))) close_own(leg, EndReason::overflow);
  }
  return true;
}

}  // namespace sluice
