// The part of Flows for pairs of the engine's own connections that the control segment is asked
// about: clients whose server is chosen by what they send first (HS-07 to HS-11).

#include <algorithm>

#include "bus/signature.h"
#include "segment/flows.h"
#include "wire/tcp.h"

namespace sluice {

// What is over, and has only to be told of, is not.
bool Flows::is_asked(PairIndex index) const {
  const FlowPair& flow = table_.pair(index);
  const bool is_there = (flow.mode == PairMode::proxied && flow.flow_class == FlowClass::own) ||
                        (flow.mode == PairMode::splice && flow.flow_class != FlowClass::linger);
  return is_there && (flow.flags & FlowPair::kAsked) != 0;
}

// The pair that an answer is about; kNoPair where it is about none of these.
PairIndex Flows::asked_by(const ReplyView& reply, const FlowKey& key) const {
  const LegIndex leg = table_.find(key);
  if (leg == kNoLeg || !is_client_leg(leg) || !is_asked(pair_of(leg))) return kNoPair;
  if (table_.pair(pair_of(leg)).mode != PairMode::proxied) return kNoPair;  // answered long ago
  return table_.pair(pair_of(leg)).serial == reply.serial() ? pair_of(leg) : kNoPair;
}

void Flows::ask(Instant now, PairIndex index, const Asked& asked, uint64_t& question) {
  if (!outbox_.was_read(question)) return;
  FlowPair& flow = pair(index);
  AppQueryView message = outbox_.begin<AppQueryView>(flow.serial);
  const bool again = asked.another || asked.failed_node != 0;
  message.set_flags(again ? SsmbFlags::another : 0);
  store_signature(message.sig(), table_.key_of(client_leg(index)));
  // Whoever waits goes on asking: only the first question is as old as the flow.
  const bool first = !(flow.flags & FlowPair::kAsked);
  message.set_timestamp(time_.wall_us(now, first ? flow.opened : time_.tick(now)));
  message.set_in_if(asked.in_port);
  message.set_vs_id(flow.vs);
  message.set_reason(QueryReason::open);
  message.set_tcp_flags(kTcpSyn);
  message.set_tcp_seq(asked.irs.raw());
  if (asked.failed_node != 0) {
    message.set_error_code(SsmbError::srvfail);
    message.set_tcp_ack(asked.failed_node);
  }
  const AppData& data = asked.data;
  message.set_app_type(data.type);
  message.set_app_flags(static_cast<uint8_t>(data.flags));
  message.set_app_len(static_cast<uint16_t>(data.bytes.size()));
  std::copy(data.bytes.begin(), data.bytes.end(), message.app_data().begin());
  const bool repeats = question != 0;
  if (!outbox_.put_question(message, message.app_len())) return;
  counters_.raise(repeats ? Counter::queries_repeated : Counter::queries);
  question = outbox_.written();
  flow.flags |= FlowPair::kAsked;
}

bool Flows::tell_session(PairIndex index, ConstByteSpan id) {
  const FlowPair& flow = pair(index);
  AppLearnView message = outbox_.begin<AppLearnView>(flow.serial);
  store_signature(message.sig(), table_.key_of(client_leg(index)));
  message.set_node_id(flow.node);
  message.set_app_type(AppType::tls);
  message.set_app_len(static_cast<uint16_t>(id.size()));
  std::copy(id.begin(), id.end(), message.app_data().begin());
  return outbox_.put_question(message, id.size());
}

void Flows::assign(PairIndex index, const ReplyView& reply) {
  FlowPair& flow = pair(index);
  flow.node = static_cast<uint16_t>(reply.xlat().node_id());
  const uint32_t idle = reply.xlat().idle_timeout();
  flow.idle_seconds = static_cast<uint16_t>(std::min<uint32_t>(idle, UINT16_MAX));
}

void Flows::forget_asked(PairIndex index) {
  counters_.raise(Counter::flows_refused);
  pair(index).flags &= static_cast<uint16_t>(~FlowPair::kAsked);
}

}  // namespace sluice
