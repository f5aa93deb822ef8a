#pragma once

#include "packet/icmp_quote.h"
#include "segment/flows.h"
#include "stack/stack.h"

namespace sluice {

// ICMP errors about flows: whether they can be true, and what they become for whoever sent the
// packet that they quote (RFC 5508 4, RFC 5927). No error ends a flow, or keeps it alive (RFC 5508
// REQ-6): the hosts at its ends decide what to make of it.
class IcmpRelay {
 public:
  IcmpRelay(const Flows& flows, const Stack& stack) : flows_(flows), stack_(stack) {}

  // The leg whose packets go where an error with this quote has to go, or that it is for where we
  // sent what it quotes ourselves; kNoLeg if it is about no flow.
  LegIndex leg_of(const IcmpQuote& quote) const;
  // Of a translated flow: makes of the error what goes on with that leg's next hop, or drops it:
  // where it was not sent by anybody who saw a packet of the flow.
  void translate(LegIndex leg, const IcmpQuote& quote, Packet& error) const;

 private:
  bool is_plausible(LegIndex leg, const IcmpQuote& quote, const Packet& error) const;
  bool is_in_flight(LegIndex leg, Seq seq) const;
  IpAddress source_of(LegIndex leg, const IcmpQuote& quote, const FlowKey& sent,
                      const Packet& error) const;

  const Flows& flows_;
  const Stack& stack_;
};

}  // namespace sluice
