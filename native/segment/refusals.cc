#include "segment/refusals.h"

#include "segment/reset_reply.h"
#include "wire/ip_protocol.h"

namespace sluice {

void Refusals::refuse(Instant now, Packet& packet, Refusal how) {
  const bool by_reset = how == Refusal::reset && packet.headers.protocol == kProtocolTcp;
  if (by_reset) {
    reset(now, packet);
  } else if (how != Refusal::silence) {
    stack_.send_error(now, packet, {IcmpError::Kind::port_unreachable});
  }
  packet.drop(DropReason::refused);
}

void Refusals::reset(Instant now, const Packet& packet) {
  if (!resets_.allows(now, packet.key.src)) return counters_.raise(Counter::resets_limited);
  if (send_reset(packet, sink_)) counters_.raise(Counter::resets);
}

}  // namespace sluice
