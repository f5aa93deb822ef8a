#include "segment/refusals.h"

#include "segment/reset_reply.h"
#include "wire/ip_protocol.h"

namespace sluice {

namespace {

Refusal refusal_of(PairMode mode) {
  if (mode == PairMode::discard) return Refusal::silence;
  return mode == PairMode::unreachable ? Refusal::unreachable : Refusal::reset;
}

// A flow whose end could not be told yet may have kNotEntered for another reason.
DropReason why_refused(const FlowPair& flow) {
  const bool in_use = flow.flow_class == FlowClass::refused && (flow.flags & FlowPair::kNotEntered);
  return in_use ? DropReason::tuple_in_use : DropReason::refused;
}

}  // namespace

void Refusals::refuse(Instant now, Packet& packet, const FlowPair& flow) {
  refuse(now, packet, refusal_of(flow.mode), why_refused(flow));
}

void Refusals::refuse(Instant now, Packet& packet, Refusal how, DropReason why) {
  const bool by_reset = how == Refusal::reset && packet.headers.protocol == kProtocolTcp;
  if (by_reset) {
    reset(now, packet);
  } else if (how != Refusal::silence) {
    const bool ports = carries_ports(packet.headers.protocol);
    stack_.send_error(
        now, packet,
        {ports ? IcmpError::Kind::port_unreachable : IcmpError::Kind::host_unreachable});
  }
  packet.drop(why);
}

void Refusals::reset(Instant now, const Packet& packet) {
  if (!resets_.allows(now, packet.key.src)) return counters_.raise(Counter::resets_limited);
  if (send_reset(packet, sink_)) counters_.raise(Counter::resets);
}

}  // namespace sluice
