// The part of Flows that carries out what the control segment decided.

#include <utility>

#include "bus/signature.h"
#include "segment/flows.h"
#include "wire/ip_protocol.h"

namespace sluice {

namespace {

// SSMB-32: what the control segment cannot handle is dropped in silence.
bool drops(const ReplyView& reply) {
  return reply.error_code() == SsmbError::unknown || (reply.xlat().xlat_mask() & XlatMask::drop);
}

PairMode refusal_mode(const ReplyView& reply) {
  if (drops(reply)) return PairMode::discard;
  const bool by_icmp = (reply.xlat().xlat_mask() & XlatMask::unreachable) != 0;
  return by_icmp ? PairMode::unreachable : PairMode::reset;
}

// Whether a flow waits for this answer: once another decision was asked for, not for the one
// before.
bool awaits(const FlowPair& flow, const ReplyView& reply) {
  if (flow.mode != PairMode::waiting) return false;
  return !(flow.flags & FlowPair::kNotEntered) || (reply.flags() & SsmbFlags::another);
}

}  // namespace

bool Flows::refuses(const ReplyView& reply) {
  return drops(reply) || reply.error_code() != SsmbError::none ||
         (reply.xlat().xlat_mask() & (XlatMask::reset | XlatMask::unreachable));
}

bool Flows::bridges(const ReplyView& reply) { return (reply.flags() & SsmbFlags::bridge) != 0; }

// A later question about the signature of a live flow was answered: both had been given up when the
// first answer opened the flow, and the control segment knows it by the later serial now. True
// where the flow goes on as it is; else it is over, and the answer opens another.
bool Flows::take_over(Instant now, PairIndex index, const ReplyView& reply) {
  FlowPair& flow = pair(index);
  const LegIndex leg = client_leg(index);
  const bool alive = flow.mode == PairMode::translate && flow.flow_class != FlowClass::linger;
  if (alive && !refuses(reply) && bridges(reply) == ((flow.flags & FlowPair::kBridged) != 0) &&
      table_.target_of(leg) == translated(table_.key_of(leg), reply.xlat())) {
    serials_.give_back(flow.serial);
    serials_.keep(reply.serial());
    flow.serial = reply.serial();
    serials_.answered(flow.serial);
    return true;
  }
  if (alive) {
    end_session(now, index, EndReason::reset);
  } else {
    forget(now, index);
  }
  return false;
}

// The flow that a REPLY is about. A REPLY is self-contained (SSMB-10): where no flow waits for it,
// one is entered as the message says; but not a second time, after its end was told. kNoLeg: there
// is nothing to do.
LegIndex Flows::find_or_make(Instant now, const ReplyView& reply, const FlowKey& key) {
  const LegIndex known = table_.find(key);
  if (known != kNoLeg && pair(pair_of(known)).serial == reply.serial()) {
    return awaits(pair(pair_of(known)), reply) ? known : kNoLeg;
  }
  if (serials_.was_answered(reply.serial())) {
    counters_.raise(Counter::messages_stale);
    return kNoLeg;
  }
  if (known != kNoLeg) {
    const FlowPair& flow = pair(pair_of(known));
    if (flow.mode == PairMode::waiting || is_own(flow) ||
        !serials_.issued_after(reply.serial(), flow.serial)) {
      counters_.raise(Counter::messages_stale);  // SSMB-13: about another flow of this signature
      return kNoLeg;
    }
    if (!is_client_leg(known) && flow.flow_class != FlowClass::linger) {
      // The answer to the other side's question came first, and was for both; or it is taken.
      if (!refuses(reply)) report_unentered(reply);
      return kNoLeg;
    }
    if (take_over(now, pair_of(known), reply)) return kNoLeg;
  }
  return make(now, reply, key);
}

LegIndex Flows::make(Instant now, const ReplyView& reply, const FlowKey& key) {
  const PairIndex index = allocate(now);
  if (index == kNoPair || !table_.enter(client_leg(index), key)) {
    if (index != kNoPair) table_.release(index);
    if (!refuses(reply)) report_unentered(reply);
    return kNoLeg;
  }
  forget_time_wait(key);
  FlowPair& flow = pair(index);
  flow.serial = reply.serial();
  serials_.keep(flow.serial);
  flow.opened = time_.tick(now);
  flow.flow_class = FlowClass::waiting;
  table_.leg(client_leg(index)).detail = WaitingRoom::kNoPlace;
  table_.leg(client_leg(index)).last_seen = flow.opened;
  return client_leg(index);
}

void Flows::decide(Instant now, const ReplyView& reply) {
  const FlowKey key = load_signature(reply.sig());
  if (!may_be_flow(key)) return counters_.raise(Counter::messages_invalid);
  if (const PairIndex asked = asked_by(reply, key); asked != kNoPair) {
    counters_.raise(Counter::replies);
    return own_connections_->decided(now, asked, reply);
  }
  // Whose client has left: nothing of it is translated, or the next one would not be read. And
  // nothing else can be read on.
  const VirtualServer* server = virtual_servers_.find(key);
  const bool is_read = server != nullptr && server->ends_connections();
  if (is_read || (reply.flags() & SsmbFlags::more)) {
    return counters_.raise(Counter::messages_stale);
  }
  const LegIndex leg = find_or_make(now, reply, key);
  if (leg == kNoLeg) return;
  counters_.raise(Counter::replies);
  carry_out(now, pair_of(leg), reply, (reply.flags() & SsmbFlags::resumed) != 0);
}

// Gives a pair whose client's leg is entered what was decided. One that `resumes` an old session is
// established.
void Flows::carry_out(Instant now, PairIndex index, const ReplyView& reply, bool resumes) {
  FlowPair& flow = pair(index);
  serials_.answered(flow.serial);
  flow.vs = static_cast<uint16_t>(reply.xlat().vs_id());
  flow.node = static_cast<uint16_t>(reply.xlat().node_id());
  if (reply.flags() & SsmbFlags::outbound) flow.flags |= FlowPair::kOutbound;
  if (refuses(reply)) return refuse(now, index, reply);
  DropReason why = DropReason::flow_table_full;
  if (!install(now, index, reply, why)) {
    if (why != DropReason::tuple_in_use || !ask_again(now, index)) fail(now, index, why);
    return;
  }
  counters_.raise(Counter::flows_opened);
  release_waiting(now, index, class_of_decided(index, resumes));
}

// A negative entry, so that a refused client's repetitions ask nobody (SSMB-32).
void Flows::refuse(Instant now, PairIndex index, const ReplyView& reply) {
  counters_.raise(Counter::flows_refused);
  FlowPair& flow = pair(index);
  flow.mode = refusal_mode(reply);
  flow.flags &= static_cast<uint16_t>(~FlowPair::kNotEntered);
  if (reply.error_code() == SsmbError::inuse) flow.flags |= FlowPair::kNotEntered;
  release_waiting(now, index, FlowClass::refused);
}

// The control segment did not know of the flow that is in the way, or not that it still is. Its
// next decision is awaited as the first was, but there is no third.
bool Flows::ask_again(Instant now, PairIndex index) {
  FlowPair& flow = pair(index);
  const WaitingRoom::Place place = table_.leg(client_leg(index)).detail;
  if (place == WaitingRoom::kNoPlace || (flow.flags & FlowPair::kNotEntered)) return false;
  for (const LegIndex leg : {client_leg(index), server_leg(index)}) {
    const NextHop hop = std::exchange(table_.leg(leg).next_hop, kNoNextHop);
    if (hop != kNoNextHop) stack_.release_next_hop(hop);
  }
  flow.flags |= FlowPair::kNotEntered;
  if (!send_query(now, index)) return false;
  counters_.raise(Counter::flows_asked_again);
  waiting_.asked(place) = outbox_.written();
  serials_.expect_answer(flow.serial);
  return true;
}

// The flow could not be entered: the control segment takes its count back (NORES), the client's
// next attempt asks again.
void Flows::fail(Instant now, PairIndex index, DropReason why) {
  WaitingRoom::Place& place = table_.leg(client_leg(index)).detail;
  if (place != WaitingRoom::kNoPlace) {
    if (why == DropReason::no_route) {
      stack_.send_error(now, waiting_.first(place)->packet, {IcmpError::Kind::no_route});
    }
    waiting_.dismiss(place, why);
  }
  place = WaitingRoom::kNoPlace;
  pair(index).mode = PairMode::discard;
  pair(index).flags |= FlowPair::kNotEntered;
  conclude(now, index);
}

// Only a TCP flow that `resumes` an old session, as the control segment knows, or that cannot be
// followed need not show both sides to count as established.
FlowClass Flows::class_of_decided(PairIndex index, bool resumes) const {
  if (table_.leg(client_leg(index)).protocol != kProtocolTcp) return FlowClass::untracked;
  constexpr uint16_t kNotFollowed = FlowPair::kHalfFlow | FlowPair::kVariant;
  const bool followed = (table_.pair(index).flags & kNotFollowed) == 0;
  return followed && !resumes ? FlowClass::opening : FlowClass::established;
}

// Puts the flow into its class, and hands the packets that waited to the pipeline.
void Flows::release_waiting(Instant now, PairIndex index, FlowClass flow_class) {
  set_class(now, index, flow_class);
  release_packets(index);
}

void Flows::release_packets(PairIndex index) {
  WaitingRoom::Place& place = table_.leg(client_leg(index)).detail;
  const WaitingRoom::Place left = std::exchange(place, WaitingRoom::kNoPlace);
  if (left == WaitingRoom::kNoPlace) return;
  PacketQueue packets = waiting_.leave(left);
  while (!packets.empty()) released_.push(packets.pop());
}

}  // namespace sluice
