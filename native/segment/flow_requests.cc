// The part of Flows that carries out what the control segment asks of its own accord: NEWFLOW,
// REAP, TIMEOUT, RESET.

#include <algorithm>
#include <utility>

#include "bus/signature.h"
#include "segment/flows.h"
#include "wire/ip_protocol.h"

namespace sluice {

namespace {

// Who has not acknowledged more than what was there at the switch may say that again at any time;
// some time behind that nothing needs the earlier numbers.
void retire(const FlowEntry& by, Seq from, Tick now, Tick& past, uint32_t& earlier) {
  const int32_t beyond = Seq(by.acked) - from;
  if (past == 0) {
    if (earlier == 0 || !by.tcp.has(LegTcpState::kAcked) || beyond <= 0) return;
    past = now;
  }
  const bool is_far = beyond < 0 || beyond > OffsetSwitch::kFarPast;
  if (is_far || now - past >= OffsetSwitch::kOvertaken) earlier = 0;
}

}  // namespace

// -- NEWFLOW: a REPLY to what nobody asked, with what TCP has come to behind it

void Flows::enter(Instant now, const ReplyView& told, const TcpsView& tcp) {
  const FlowKey key = load_signature(told.sig());
  if (!may_be_flow(key)) return counters_.raise(Counter::messages_invalid);
  counters_.raise(Counter::flows_told);
  // Of a client that is asked about it is the decision (HS-13).
  if (const PairIndex asked = asked_by(told, key); asked != kNoPair) {
    return own_connections_->decided(now, asked, told);
  }
  const LegIndex known = table_.find(key);
  if (known != kNoLeg && is_client_leg(known) && !refuses(told) && is_live(pair_of(known))) {
    if (change(now, pair_of(known), told)) seed_tracking(now, pair_of(known), tcp);
    return;
  }
  const LegIndex leg = find_to_enter(now, told, key);
  if (leg == kNoLeg) return;
  carry_out(now, pair_of(leg), told, false);
  if (pair(pair_of(leg)).mode == PairMode::translate) seed_tracking(now, pair_of(leg), tcp);
}

// The leg of a flow that waits for a decision, whatever it had been asked by, or a new one.
LegIndex Flows::find_to_enter(Instant now, const ReplyView& told, const FlowKey& key) {
  const LegIndex known = table_.find(key);
  if (known == kNoLeg) return make(now, told, key);
  const PairIndex index = pair_of(known);
  FlowPair& flow = pair(index);
  if (is_client_leg(known) && flow.mode == PairMode::waiting) {
    serials_.give_back(flow.serial);
    flow.serial = told.serial();
    serials_.keep(flow.serial);
    return known;
  }
  // The way back of another flow, which goes before, as what we end ourselves does.
  const bool is_ours = is_own(flow) && flow.flow_class != FlowClass::linger;
  if (is_ours || (!is_client_leg(known) && is_live(index))) {
    report_unentered(told);
    return kNoLeg;
  }
  if (is_live(index)) {
    end_session(now, index, EndReason::reset);
  } else if (!forget(now, index)) {
    return kNoLeg;
  }
  return make(now, told, key);
}

// A live flow becomes what it says now: its next packet goes the new way, counts and TCP go on
// (DFSMSG-04). False where that cannot be: the flow is over then.
bool Flows::change(Instant now, PairIndex index, const ReplyView& told) {
  FlowPair& flow = pair(index);
  // They have the old way back; their next packets ask.
  end_variants(now, index, EndReason::reset);
  // It may not give way for its own next hop.
  const FlowClass flow_class = flow.flow_class;
  set_class(now, index, FlowClass::waiting);
  const uint8_t flags = table_.leg(client_leg(index)).flags;
  const bool moved = (flags & LegFlags::kOffsets) != 0;
  const bool was_switched = (flags & LegFlags::kSwitched) != 0;
  const TcpOffsets offsets = moved ? table_.offsets(index) : TcpOffsets{};
  NextHop before[2];
  for (const LegIndex leg : {client_leg(index), server_leg(index)}) {
    FlowEntry& entry = table_.leg(leg);
    before[leg & 1] = std::exchange(entry.next_hop, kNoNextHop);
    entry.flags &= static_cast<uint8_t>(
        ~(LegFlags::kDecrementTtl | LegFlags::kSetDscp | LegFlags::kOffsets | LegFlags::kSwitched));
  }
  if (table_.leg(server_leg(index)).flags & LegFlags::kEntered) table_.leave(server_leg(index));
  serials_.give_back(flow.serial);
  flow.serial = told.serial();
  serials_.keep(flow.serial);
  flow.vs = static_cast<uint16_t>(told.xlat().vs_id());
  flow.node = static_cast<uint16_t>(told.xlat().node_id());
  flow.flags &= FlowPair::kOutbound;
  DropReason why = DropReason::flow_table_full;
  const bool installed = replace(now, index, told, offsets, was_switched, why);
  for (const NextHop hop : before) {
    if (hop != kNoNextHop) stack_.release_next_hop(hop);
  }
  if (!installed) {
    counters_.raise(Counter::flows_removed);
    fail(now, index, why);
    return false;
  }
  set_class(now, index, flow_class);
  return true;
}

bool Flows::replace(Instant now, PairIndex index, const ReplyView& told, const TcpOffsets& before,
                    bool was_switched, DropReason& why) {
  const FlowKey target = table_.target_of(client_leg(index));
  table_.offsets(index) = {};
  if (!install(now, index, told, why)) return false;
  // Another node has nothing of what was sent to this one.
  if (table_.target_of(client_leg(index)) == target) note_switch(index, before, was_switched);
  return true;
}

// -- what stands before the switch to other offsets keeps its numbers (TCPX-23)

// The present offsets are for what nobody has sent yet, as far as has been seen. A switch that
// comes before the last one is over takes its place; what changes nothing leaves it as it is.
void Flows::note_switch(PairIndex index, const TcpOffsets& before, bool was_switched) {
  FlowEntry& client = table_.leg(client_leg(index));
  FlowEntry& server = table_.leg(server_leg(index));
  const TcpOffsets& present = table_.offsets(index);
  const uint32_t seq = before.seq - present.seq;
  const uint32_t ack = before.ack - present.ack;
  constexpr uint16_t kNotFollowed = FlowPair::kHalfFlow | FlowPair::kVariant;
  const bool is_followed = client.protocol == kProtocolTcp && !(pair(index).flags & kNotFollowed) &&
                           client.tcp.has(LegTcpState::kSeen) && server.tcp.has(LegTcpState::kSeen);
  const bool changes = seq != 0 || ack != 0;
  if (!is_followed || !(changes || was_switched)) return;
  if (changes) {
    OffsetSwitch& at = table_.offset_switch(index);
    at = {Seq(client.seq_end), Seq(server.seq_end), seq, ack, 0, 0};
    // What the client is sent between the two is nobody's that we see, and will be acknowledged.
    server.seq_end += at.gap_to_client();
  }
  client.flags |= LegFlags::kSwitched;
  server.flags |= LegFlags::kSwitched;
}

// A packet of the server's, for which the present offsets hold afterwards.
void Flows::renumber_switched(Instant now, LegIndex index, TrackedSegment& segment) {
  const EarlierNumbers earlier = leg_earlier(table_, index);
  segment.seq += earlier.of_seq(Seq(segment.seq));
  segment.ack += earlier.of_ack(Seq(segment.ack));
  const PairIndex session = pair_of(index);
  OffsetSwitch& at = table_.offset_switch(session);
  const FlowEntry& client = table_.leg(client_leg(session));
  const FlowEntry& server = table_.leg(server_leg(session));
  const Tick tick = time_.tick(now) | 1;
  retire(server, at.client_from, tick, at.client_past, at.seq);
  retire(client, at.server_from + at.gap_to_client(), tick, at.server_past, at.ack);
  if (at.seq != 0 || at.ack != 0) return;
  forget_switch(client_leg(session));
  forget_switch(server_leg(session));
  for_each_variant_of(session, [this](PairIndex each) { forget_switch(client_leg(each)); });
}

void Flows::forget_switch(LegIndex leg) {
  table_.leg(leg).flags &= static_cast<uint8_t>(~LegFlags::kSwitched);
}

// What it takes to follow the rest of a connection: a RST or FIN is accepted only where it stands.
void Flows::seed_tracking(Instant now, PairIndex index, const TcpsView& tcp) {
  FlowEntry& client = table_.leg(client_leg(index));
  FlowEntry& server = table_.leg(server_leg(index));
  if (client.protocol != kProtocolTcp || tcp.tcp_state() < TcpState::established ||
      tcp.tcp_state() >= TcpState::ended) {
    return;
  }
  if (client.tcp.has(LegTcpState::kSeen)) return;  // packets have shown more
  constexpr uint8_t kOpen = LegTcpState::kSeen | LegTcpState::kAcked;
  client.seq_end = server.acked = tcp.c_nxt();
  server.seq_end = client.acked = tcp.s_nxt();
  client.window = server.window = 0xffff;
  for (FlowEntry* leg : {&client, &server}) {
    leg->tcp.set(kOpen);
    leg->tcp.set_scale(LegTcpState::kLargestScale);
  }
  const bool closing = tcp.tcp_state() != TcpState::established;
  set_class(now, index, closing ? FlowClass::closing : FlowClass::established);
}

// -- REAP asks whether a flow has gone, TIMEOUT tells that the control segment has forgotten it

// kNoPair, and the answer is given, where there is no such flow.
template <class View>
PairIndex Flows::find_asked(Instant now, const View& message) {
  const LegIndex leg = table_.find(load_signature(message.sig()));
  constexpr uint16_t kKinds = FlowPair::kOwn | FlowPair::kAsked;
  const bool is_ours = leg != kNoLeg && (pair(pair_of(leg)).flags & kKinds) == FlowPair::kOwn;
  if (leg == kNoLeg || !is_client_leg(leg) || is_ours) {
    report_no_flow(message);
    return kNoPair;
  }
  const PairIndex index = pair_of(leg);
  if (pair(index).serial != message.serial()) {
    counters_.raise(Counter::messages_stale);  // SSMB-13: about another flow of this signature
    return kNoPair;
  }
  const bool is_decided = is_live(index) || is_asked(index);
  if (pair(index).mode == PairMode::waiting || is_decided) return index;
  // It is over or refused. Where its end could not be told yet, this tells.
  const bool unreported = (pair(index).flags & FlowPair::kUnreported) != 0;
  if (forget(now, index) && !unreported) report_no_flow(message);
  return kNoPair;
}

// One in its close ends by itself (HS-23); one that waits is about to be decided.
bool Flows::is_active(Instant now, PairIndex index, uint32_t idle_seconds) const {
  const FlowPair& flow = table_.pair(index);
  if (flow.mode == PairMode::waiting || flow.flow_class == FlowClass::closing) return true;
  const uint64_t silent = time_.tick(now) - last_seen(now, index);
  return silent < uint64_t{idle_seconds} * 1000;
}

void Flows::reap(Instant now, const ReapView& message) {
  const PairIndex index = find_asked(now, message);
  if (index == kNoPair) return;
  if (is_active(now, index, message.idle_secs())) return report_alive(now, index);
  end_session(now, index, EndReason::reaped);
}

void Flows::time_out(Instant now, const TimeoutView& message) {
  const PairIndex index = find_asked(now, message);
  if (index == kNoPair) return;
  if (is_active(now, index, message.idle_secs())) {
    report_alive(now, index);
    if (is_live(index) || is_asked(index)) report_state(now, index, SsmbError::connalive);
    return;
  }
  if (is_asked(index)) return end_session(now, index, EndReason::reaped);
  counters_.raise(Counter::flows_removed);
  remove(index);
}

template <class View>
void Flows::report_no_flow(const View& asked) {
  DeleteView message = outbox_.begin<DeleteView>(asked.serial());
  message.set_error_code(SsmbError::noflow);
  message.set_reason(EndReason::reaped);
  store_signature(message.sig(), load_signature(asked.sig()));
  outbox_.put(message);
}

// -- RESET

// Marking is a walk over 20 bytes a flow; ending is done between packets.
void Flows::reset(uint32_t scope) {
  for (PairIndex index = 0; index < table_.high_water(); ++index) {
    FlowPair& flow = pair(index);
    if (scope == 0 || flow.vs == scope) flow.flags |= FlowPair::kDoomed;
  }
  doomed_next_ = 0;
  doomed_end_ = table_.high_water();
}

void Flows::continue_reset(Instant now) {
  const PairIndex end = std::min(doomed_next_ + kPairsPerPoll, doomed_end_);
  for (; doomed_next_ < end; ++doomed_next_) {
    const PairIndex index = doomed_next_;
    const FlowPair& flow = pair(index);
    if (flow.mode == PairMode::free || flow.mode == PairMode::over) continue;
    if (!(flow.flags & FlowPair::kDoomed)) continue;
    const bool lingers = flow.flow_class == FlowClass::linger;
    if (!lingers && (is_own(flow) || is_live(index))) {
      end_session(now, index, EndReason::reset);
    } else {
      forget(now, index);
    }
  }
}

}  // namespace sluice
