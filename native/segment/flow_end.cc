// The part of Flows that ends flows: by TCP, by time, with their virtual server, for want of room.

#include <algorithm>
#include <array>

#include "segment/flows.h"

namespace sluice {

namespace {

constexpr Tick kReportRetry = 100;
// Requirements 2.2: a REPLY is expected in 50 ms; repetitions 50, 100 and 200 ms after the first.
constexpr Tick kQueryIntervals[] = {50, 50, 100, 200};

Counter counter_of(uint8_t end_reason) {
  switch (end_reason) {
    case EndReason::fin: return Counter::flows_closed_fin;
    case EndReason::rst: return Counter::flows_closed_rst;
    case EndReason::idle: return Counter::flows_expired;
    case EndReason::overflow: return Counter::flows_evicted;
    default: return Counter::flows_removed;
  }
}

}  // namespace

// -- ends

void Flows::end(Instant now, PairIndex index, uint8_t reason) {
  counters_.raise(counter_of(reason));
  pair(index).end_reason = reason;
  conclude(now, index);
}

// Ends a flow and its variants: the session is over for each of them (DFS-03).
void Flows::end_session(Instant now, PairIndex index, uint8_t reason) {
  if (is_own(pair(index))) {
    if (is_asked(index)) pair(index).end_reason = reason;
    return own_pairs_of(pair(index)).abort_pair(now, index, reason);
  }
  end_variants(now, index, reason);
  end(now, index, reason);
}

void Flows::end_variants(Instant now, PairIndex index, uint8_t reason) {
  PairIndex variants[FlowTable::kMostVariants];
  size_t count = 0;
  for_each_variant_of(index, [&](PairIndex variant) {
    if (pair(variant).flow_class != FlowClass::linger) variants[count++] = variant;
  });
  for (size_t i = 0; i < count; ++i) end(now, variants[i], reason);
}

// Tells of the end, again and again while the ring is full; that keeps the flow in the table. What
// TCP has ended stays a while longer, to translate a repeated FIN or ACK (HS-27).
void Flows::conclude(Instant now, PairIndex index) {
  FlowPair& flow = pair(index);
  const bool is_told = !is_own(flow) || (flow.flags & FlowPair::kAsked) != 0;
  if (is_told && !report_end(now, index)) {
    flow.flags |= FlowPair::kUnreported;
    return move_class(now, index, FlowClass::linger, time_.tick(now) + kReportRetry);
  }
  flow.flags &= static_cast<uint16_t>(~FlowPair::kUnreported);
  const bool has_legs = flow.mode == PairMode::splice || !(flow.flags & FlowPair::kAsked);
  const bool lingers =
      has_legs && (flow.end_reason == EndReason::fin || flow.end_reason == EndReason::rst);
  lingers ? set_class(now, index, FlowClass::linger) : remove(index);
}

// Removes a flow that is over. False where its end could not be told yet: it has to stay.
bool Flows::forget(Instant now, PairIndex index) {
  if ((pair(index).flags & FlowPair::kUnreported) && !report_end(now, index)) return false;
  remove(index);
  return true;
}

// Frees all that a pair holds. Nobody is told.
void Flows::remove(PairIndex index) {
  FlowPair& flow = pair(index);
  FlowEntry& client = table_.leg(client_leg(index));
  wheel(flow.flow_class).cancel(index);
  if (flow.flow_class == FlowClass::linger) counters_.lower(Counter::lingering);
  if (flow.mode == PairMode::waiting && client.detail != WaitingRoom::kNoPlace) {
    waiting_.dismiss(client.detail, DropReason::waiting_expired);
  }
  // A variant that outlives its session stands for itself.
  for_each_variant_of(index, [this](PairIndex variant) {
    pair(variant).flags &= static_cast<uint16_t>(~FlowPair::kVariant);
    forget_switch(client_leg(variant));
  });
  table_.retire(index);
  if (!batch_open_) return free_pair(index);
  SLUICE_CHECK(over_count_ < over_.size());
  over_[over_count_++] = index;
}

void Flows::free_pair(PairIndex index) {
  for (const LegIndex leg : {client_leg(index), server_leg(index)}) {
    const NextHop hop = table_.leg(leg).next_hop;
    if (hop != kNoNextHop) stack_.release_next_hop(hop);
  }
  serials_.give_back(pair(index).serial);
  table_.release(index);
}

// The sockets know; the control segment is told where it was asked.
void Flows::end_own_pair(Instant now, PairIndex index, uint8_t reason) {
  FlowPair& flow = pair(index);
  const bool is_told = is_asked(index);
  if (flow.end_reason != 0) reason = flow.end_reason;  // it was to end before
  counters_.raise(counter_of(reason));
  wheel(flow.flow_class).cancel(index);
  if (flow.flow_class == FlowClass::own) --own_pairs_in_use_;
  if (is_told) return conclude_own(now, index, reason);
  serials_.give_back(pair(index).serial);
  table_.release(index);
}

// Neither leg is there any more, and nothing of it lingers: only its end may have to wait for room.
void Flows::conclude_own(Instant now, PairIndex index, uint8_t reason) {
  pair(index).end_reason = reason;
  if (report_end(now, index)) return remove(index);
  pair(index).flags |= FlowPair::kUnreported;
  move_class(now, index, FlowClass::linger, time_.tick(now) + kReportRetry);
}

// The same for one whose legs an earlier packet of the batch may have to leave by.
void Flows::end_datagrams(PairIndex index, uint8_t reason) {
  counters_.raise(counter_of(reason));
  remove(index);
}

void Flows::end_batch() {
  batch_open_ = false;
  for (size_t i = 0; i < over_count_; ++i) free_pair(over_[i]);
  over_count_ = 0;
}

bool Flows::end_flows_of(Instant now, uint16_t vs, PairIndex& next) {
  const PairIndex end = std::min(next + kPairsPerPoll, table_.high_water());
  for (; next < end; ++next) {
    const PairIndex index = next;
    const FlowPair& flow = pair(index);
    if (flow.mode == PairMode::free || flow.mode == PairMode::over || flow.vs != vs) continue;
    if (flow.flow_class == FlowClass::linger) continue;
    is_own(flow) || flow.mode == PairMode::translate
        ? end_session(now, index, EndReason::vs_removed)
        : remove(index);
  }
  return next == table_.high_water();
}

// -- timers

void Flows::poll(Instant now) {
  const Tick tick = time_.tick(now);
  for (int i = 0; i < kFlowClasses; ++i) {
    wheels_[i].advance(tick, [&](TimerId id) { fire(now, static_cast<FlowClass>(i), id); });
  }
  time_waits_.expire(tick);
  if (!tick_before(tick, next_statistics_)) report_statistics(now);
  if (dump_.active) continue_dump(now);
  if (doomed_next_ < doomed_end_) continue_reset(now);
  const uint64_t others = uint64_t{wheel(FlowClass::waiting).count()} +
                          wheel(FlowClass::linger).count() + wheel(FlowClass::refused).count();
  counters_.set(Counter::flows, table_.pairs_in_use() - others);
  counters_.set(Counter::flow_entries, uint64_t{table_.pairs_in_use()} * 2 + time_waits_.count());
}

Instant Flows::deadline(Instant now) const {
  if (doomed_next_ < doomed_end_) return now;
  if (dump_.active) return now + Duration::milliseconds(1);
  const Tick tick = time_.tick(now);
  Tick earliest = next_statistics_;
  for (const TimerWheel& each : wheels_) {
    const Tick next = each.next_tick(earliest);
    if (tick_before(next, earliest)) earliest = next;
  }
  const Tick next = time_waits_.next_tick(earliest);
  if (tick_before(next, earliest)) earliest = next;
  const Tick ahead = tick_before(tick, earliest) ? earliest - tick : 0;
  return now + Duration::milliseconds(ahead);
}

void Flows::fire(Instant now, FlowClass flow_class, PairIndex index) {
  switch (flow_class) {
    case FlowClass::waiting: return expire_waiting(now, index);
    case FlowClass::refused: return remove(index);
    case FlowClass::linger:
      return pair(index).flags & FlowPair::kUnreported ? conclude(now, index) : remove(index);
    default: return expire(now, index);
  }
}

// An idle timer is not moved by packets; when it fires it looks whether there were any.
void Flows::expire(Instant now, PairIndex index) {
  const Tick due = idle_until(now, index);
  if (tick_before(time_.tick(now), due)) return wheel(pair(index).flow_class).arm(index, due);
  end_session(now, index, EndReason::idle);
}

// Nobody has answered. What is bridged needs no decision to pass (law 8): the flow is as if it had
// been let through, and an answer that comes yet finds it.
void Flows::give_up(Instant now, PairIndex index) {
  const FlowPair& flow = pair(index);
  if (!(flow.flags & FlowPair::kBridged)) return remove(index);
  std::array<uint8_t, ReplyView::kSize> bytes{};
  ReplyView reply(bytes.data());
  const uint16_t outbound = flow.flags & FlowPair::kOutbound ? SsmbFlags::outbound : 0;
  reply.set_flags(SsmbFlags::bridge | outbound);
  reply.set_serial(flow.serial);
  carry_out(now, index, reply, false);
}

// Asks for a decision, again and again, then gives up. While the last question still lies in the
// ring, another one would only lengthen the queue.
void Flows::expire_waiting(Instant now, PairIndex index) {
  const WaitingRoom::Place place = table_.leg(client_leg(index)).detail;
  uint8_t& tries = waiting_.tries(place);
  if (tries == std::size(kQueryIntervals)) return give_up(now, index);
  if (outbox_.was_read(waiting_.asked(place)) && send_query(now, index)) {
    if (waiting_.asked(place) != 0) counters_.raise(Counter::queries_repeated);
    waiting_.asked(place) = outbox_.written();
  }
  wheel(FlowClass::waiting).arm(index, time_.tick(now) + kQueryIntervals[tries]);
  ++tries;
}

}  // namespace sluice
