#pragma once

#include <cstdint>

#include "base/random.h"
#include "bus/streams.h"
#include "segment/flows.h"
#include "segment/hand_over.h"
#include "stack/stack.h"

namespace sluice {

// Where what sockets open leaves from.
class SourceChoice {
 public:
  SourceChoice(Stack& stack, const Flows& flows, const HandOver& hand_over, uint64_t seed)
      : stack_(stack), flows_(flows), hand_over_(hand_over), random_(seed) {}

  // The signature of what the peer will answer. Where the source is not told, it is an address of
  // ours on the link that leads there (RFC 6724 5, rule 5), and a port by chance (RFC 6056 3.3.1),
  // at which what comes back reaches this worker. False, and `why` is the StreamEnd.
  bool choose(Instant now, const OpenSocketView& message, FlowKey& key, uint8_t& why);

 private:
  bool choose_port(FlowKey& key);
  bool is_free(const FlowKey& key) const;
  bool is_home(const FlowKey& key) const;

  Stack& stack_;
  const Flows& flows_;
  const HandOver& hand_over_;
  Random random_;
};

// The StreamEnd that says so.
uint8_t stream_end_of(DropReason why);

}  // namespace sluice
