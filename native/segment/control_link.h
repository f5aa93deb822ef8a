#pragma once

#include "bus/messages.h"
#include "segment/counters.h"
#include "segment/flows.h"
#include "segment/outbox.h"
#include "stack/stack.h"

namespace sluice {

// Carries out the messages of a control segment, SSMB and CSMB alike. A message of unknown type,
// wrong size or wrong sender is counted and harms nothing (CS-14, SSMB-17, 25).
class ControlLink {
 public:
  ControlLink(Flows& flows, Stack& stack, Outbox& outbox, Counters& counters)
      : flows_(flows), stack_(stack), outbox_(outbox), counters_(counters) {}

  void handle(Instant now, ByteSpan message);

 private:
  void handle_ssmb(Instant now, ByteSpan message);
  void handle_csmb(Instant now, ByteSpan message);
  uint8_t add_virtual_server(Instant now, const AddVsView& message);
  uint8_t delete_virtual_server(Instant now, const DeleteVsView& message);

  Flows& flows_;
  Stack& stack_;
  Outbox& outbox_;
  Counters& counters_;
};

}  // namespace sluice
