// The part of Flows that ends flows and reports on them: timers, DELETE, STATS, STATE.

#include "bus/signature.h"
#include "segment/flows.h"
#include "wire/ip_protocol.h"
#include "wire/tcp.h"

namespace sluice {

namespace {

constexpr Tick kReportRetry = 100;
// Requirements 2.2: a REPLY is expected in 50 ms, repetitions after 50, 100 and 200 ms more.
constexpr Tick kQueryIntervals[] = {50, 50, 100, 200};
constexpr Tick kStatisticsSlices = 64;

uint8_t tcp_state_of(const FlowEntry& client, const FlowEntry& server) {
  if (client.protocol != kProtocolTcp) return TcpState::none;
  constexpr uint8_t kOpen = LegTcpState::kSeen | LegTcpState::kAcked;
  const bool client_fin = client.tcp.has(LegTcpState::kFin);
  const bool server_fin = server.tcp.has(LegTcpState::kFin);
  if (client.tcp.has(LegTcpState::kFinAcked) && server.tcp.has(LegTcpState::kFinAcked)) {
    return TcpState::ended;
  }
  if (client_fin && server_fin) return TcpState::both_closed;
  if (client_fin) return TcpState::client_closed;
  if (server_fin) return TcpState::server_closed;
  return client.tcp.has(kOpen) && server.tcp.has(kOpen) ? TcpState::established : TcpState::opening;
}

template <class View>
void fill_end_fields(View message, const FlowPair& flow, uint8_t tcp_state) {
  message.set_flags(flow.flags & FlowPair::kOutbound ? SsmbFlags::outbound : 0);
  message.set_tcp_state(tcp_state);
  message.set_node_hint(flow.node);
}

}  // namespace

// -- ends

void Flows::end(Instant now, PairIndex index, uint8_t reason) {
  FlowPair& flow = pair(index);
  flow.end_reason = reason;
  const bool reported = report_end(now, index, SsmbError::none);
  if (!reported) flow.flags |= FlowPair::kUnreported;
  const bool lingers = reason == EndReason::fin || reason == EndReason::rst;
  if (reported && !lingers) return remove(index);
  set_class(now, index, FlowClass::linger);
  if (!reported) wheel(FlowClass::linger).arm(index, time_.tick(now) + kReportRetry);
}

// The session is over for each of its flows, which may be several if its DSCP changed (DFS-03).
void Flows::end_variants(Instant now, PairIndex index, uint8_t reason) {
  PairIndex others[64];
  size_t count = 0;
  table_.for_each_variant(table_.key_of(client_leg(index)), [&](LegIndex leg) {
    const PairIndex other = pair_of(leg);
    const FlowPair& flow = pair(other);
    if (other != index && is_client_leg(leg) && flow.mode == PairMode::translate &&
        flow.flow_class != FlowClass::linger && count < 64) {
      others[count++] = other;
    }
  });
  end(now, index, reason);
  for (size_t i = 0; i < count; ++i) end(now, others[i], reason);
}

// Frees all that a pair holds. Nobody is told.
void Flows::remove(PairIndex index) {
  FlowPair& flow = pair(index);
  FlowEntry& client = table_.leg(client_leg(index));
  wheel(flow.flow_class).cancel(index);
  if (flow.flow_class == FlowClass::linger) counters_.lower(Counter::time_wait);
  if (flow.mode == PairMode::waiting && client.detail != WaitingRoom::kNoPlace) {
    waiting_.dismiss(client.detail, DropReason::waiting_expired);
  }
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
  table_.release(index);
}

void Flows::end_batch() {
  batch_open_ = false;
  for (size_t i = 0; i < over_count_; ++i) free_pair(over_[i]);
  over_count_ = 0;
}

void Flows::remove_virtual_server(Instant now, uint16_t vs) {
  for (PairIndex index = 0; index < table_.high_water(); ++index) {
    const FlowPair& flow = pair(index);
    if (flow.mode == PairMode::free || flow.mode == PairMode::over || flow.vs != vs) continue;
    if (flow.flow_class == FlowClass::linger) continue;
    counters_.raise(Counter::flows_removed);
    flow.mode == PairMode::translate ? end(now, index, EndReason::vs_removed) : remove(index);
  }
}

// -- timers

void Flows::poll(Instant now) {
  const Tick tick = time_.tick(now);
  for (int i = 0; i < kFlowClasses; ++i) {
    wheels_[i].advance(tick, [&](TimerId id) { fire(now, static_cast<FlowClass>(i), id); });
  }
  if (!tick_before(tick, next_statistics_)) report_statistics(now);
  if (dump_.active) continue_dump(now);
  const uint64_t others = uint64_t{wheel(FlowClass::waiting).count()} +
                          wheel(FlowClass::linger).count() + wheel(FlowClass::refused).count();
  counters_.set(Counter::flows, table_.pairs_in_use() - others);
  counters_.set(Counter::flow_entries, uint64_t{table_.pairs_in_use()} * 2);
}

Instant Flows::deadline(Instant now) const {
  if (dump_.active) return now + Duration::milliseconds(1);
  const Tick tick = time_.tick(now);
  Tick earliest = next_statistics_;
  for (const TimerWheel& each : wheels_) {
    const Tick next = each.next_tick(earliest);
    if (tick_before(next, earliest)) earliest = next;
  }
  const Tick ahead = tick_before(tick, earliest) ? earliest - tick : 0;
  return now + Duration::milliseconds(ahead);
}

void Flows::fire(Instant now, FlowClass flow_class, PairIndex index) {
  switch (flow_class) {
    case FlowClass::waiting: return expire_waiting(now, index);
    case FlowClass::refused: return remove(index);
    case FlowClass::linger:
      if (!(pair(index).flags & FlowPair::kUnreported)) return remove(index);
      pair(index).flags &= static_cast<uint8_t>(~FlowPair::kUnreported);
      return end(now, index, pair(index).end_reason);
    default: return expire(now, index);
  }
}

// An idle timer is not moved by packets; when it fires it looks whether there were any.
void Flows::expire(Instant now, PairIndex index) {
  const Tick due = last_seen(index) + timeout_of(pair(index));
  if (tick_before(time_.tick(now), due)) return wheel(pair(index).flow_class).arm(index, due);
  counters_.raise(Counter::flows_expired);
  end(now, index, EndReason::idle);
}

// Asks for a decision, again and again, then gives up.
void Flows::expire_waiting(Instant now, PairIndex index) {
  uint8_t& tries = waiting_.tries(table_.leg(client_leg(index)).detail);
  if (tries == std::size(kQueryIntervals)) return remove(index);
  if (tries > 0) counters_.raise(Counter::queries_repeated);
  send_query(now, index);
  wheel(FlowClass::waiting).arm(index, time_.tick(now) + kQueryIntervals[tries]);
  ++tries;
}

// -- reports

bool Flows::send_query(Instant now, PairIndex index) {
  const FlowPair& flow = pair(index);
  const Packet& packet = waiting_.first(table_.leg(client_leg(index)).detail)->packet;
  QueryView message = outbox_.begin<QueryView>(flow.serial);
  message.set_flags(flow.flags & FlowPair::kOutbound ? SsmbFlags::outbound : 0);
  store_signature(message.sig(), table_.key_of(client_leg(index)));
  message.set_timestamp(time_.wall_us(now, flow.opened));
  message.set_in_if(flow.in_port);
  message.set_vs_id(flow.vs);
  message.set_reason(QueryReason::udp);
  if (packet.key.protocol == kProtocolTcp) {
    const TcpHeader tcp(packet.at(packet.headers.l4));
    message.set_tcp_seq(tcp.seq().raw());
    message.set_tcp_ack(tcp.has(kTcpAck) ? tcp.ack().raw() : 0);
    message.set_tcp_flags(tcp.flags());
    message.set_reason(tcp.has(kTcpSyn) ? QueryReason::open : QueryReason::mid_session);
  }
  return outbox_.put(message);
}

void Flows::fill_counts(Instant now, PairIndex index, CntView cnt) const {
  const FlowEntry& client = table_.leg(client_leg(index));
  const FlowEntry& server = table_.leg(server_leg(index));
  cnt.set_pkts_in(client.packets);
  cnt.set_bytes_in(client.bytes);
  cnt.set_pkts_out(server.packets);
  cnt.set_bytes_out(server.bytes);
  cnt.set_t_open(time_.wall_us(now, table_.pair(index).opened));
  cnt.set_t_last(time_.wall_us(now, last_seen(index)));
}

bool Flows::report_end(Instant now, PairIndex index, uint8_t error) {
  const FlowPair& flow = pair(index);
  DeleteView message = outbox_.begin<DeleteView>(flow.serial);
  message.set_error_code(error);
  store_signature(message.sig(), table_.key_of(client_leg(index)));
  fill_counts(now, index, message.cnt());
  message.set_reason(flow.end_reason);
  const bool over = flow.end_reason == EndReason::rst;
  fill_end_fields(message, flow,
                  over
                      ? TcpState::ended
                      : tcp_state_of(table_.leg(client_leg(index)), table_.leg(server_leg(index))));
  return outbox_.put(message);
}

// Every interval, in slices, a STATS for each flow that had traffic since the last one.
void Flows::report_statistics(Instant now) {
  const auto interval = static_cast<Tick>(options_.timeouts.stats_interval.milliseconds());
  const Tick tick = time_.tick(now);
  next_statistics_ = tick + (interval == 0 ? 1000 : interval / kStatisticsSlices + 1);
  if (interval == 0) return;
  const PairIndex share = table_.high_water() / kStatisticsSlices + 1;
  for (PairIndex i = 0; i < share && i < table_.high_water(); ++i) {
    if (statistics_cursor_ >= table_.high_water()) statistics_cursor_ = 0;
    const PairIndex index = statistics_cursor_;
    const FlowPair& flow = pair(index);
    const bool live = flow.mode == PairMode::translate && flow.flow_class != FlowClass::linger;
    if (live && tick - last_seen(index) <= interval) {
      StatsView message = outbox_.begin<StatsView>(flow.serial);
      store_signature(message.sig(), table_.key_of(client_leg(index)));
      fill_counts(now, index, message.cnt());
      fill_end_fields(message, flow,
                      tcp_state_of(table_.leg(client_leg(index)), table_.leg(server_leg(index))));
      if (!outbox_.put(message)) return;  // goes on here with the next slice
    }
    ++statistics_cursor_;
  }
}

void Flows::dump(Instant now, uint64_t cursor, uint16_t max_records) {
  dump_.active = true;
  dump_.next = cursor < table_.high_water() ? static_cast<PairIndex>(cursor) : 0;
  dump_.remaining = max_records == 0 ? UINT32_MAX : max_records;
  continue_dump(now);
}

PairIndex Flows::next_to_dump(PairIndex from) const {
  for (PairIndex index = from; index < table_.high_water(); ++index) {
    const FlowPair& flow = table_.pair(index);
    if (flow.mode == PairMode::translate && flow.flow_class != FlowClass::linger) return index;
  }
  return kNoPair;
}

// The last record of the table carries next_cursor 0; if there is none at all, one record without
// a signature does.
void Flows::continue_dump(Instant now) {
  PairIndex index = next_to_dump(dump_.next);
  if (index == kNoPair) {
    const StateView empty = outbox_.begin<StateView>(0);
    dump_.active = !outbox_.put(empty);
    return;
  }
  while (dump_.remaining > 0) {
    const PairIndex next = next_to_dump(index + 1);
    dump_.next = index;
    if (!dump_one(now, index, next == kNoPair ? 0 : next)) return;
    --dump_.remaining;
    if (next == kNoPair) break;
    index = next;
  }
  dump_.active = false;
}

bool Flows::dump_one(Instant now, PairIndex index, uint64_t next_cursor) {
  const FlowPair& flow = pair(index);
  const FlowEntry& client = table_.leg(client_leg(index));
  const FlowEntry& server = table_.leg(server_leg(index));
  const FlowKey target = table_.target_of(client_leg(index));
  StateView message = outbox_.begin<StateView>(flow.serial);
  message.set_flags(flow.flags & FlowPair::kOutbound ? SsmbFlags::outbound : 0);
  store_signature(message.sig(), table_.key_of(client_leg(index)));
  XlatView xlat = message.xlat();
  xlat.set_xlat_src_ipaddr(target.src);
  xlat.set_xlat_dst_ipaddr(target.dst);
  xlat.set_xlat_src_port(target.src_port);
  xlat.set_xlat_dst_port(target.dst_port);
  xlat.set_xlat_mask(XlatMask::src_addr | XlatMask::dst_addr | XlatMask::src_port |
                     XlatMask::dst_port);
  xlat.set_idle_timeout(flow.idle_seconds);
  xlat.set_node_id(flow.node);
  xlat.set_vs_id(flow.vs);
  TcpsView tcps = message.tcps();
  tcps.set_tcp_state(tcp_state_of(client, server));
  tcps.set_origin(1);  // a data flow segment
  tcps.set_c_nxt(client.seq_end);
  tcps.set_s_nxt(server.seq_end);
  fill_counts(now, index, message.cnt());
  message.set_next_cursor(next_cursor);
  return outbox_.put(message);
}

}  // namespace sluice
