#pragma once

#include <vector>

#include "bus/messages.h"
#include "segment/counters.h"
#include "segment/flows.h"
#include "segment/hand_over.h"
#include "segment/outbox.h"
#include "stack/stack.h"

namespace sluice {

// Carries out the messages of a control segment, SSMB and CSMB alike. A message of unknown type,
// wrong size or wrong sender is counted and harms nothing (CS-14, SSMB-17, 25).
class ControlLink {
 public:
  struct Parts {
    Flows& flows;
    Stack& stack;
    Outbox& outbox;
    Counters& counters;
    const WorkerTeam& team;
  };
  explicit ControlLink(const Parts& parts)
      : flows_(parts.flows),
        stack_(parts.stack),
        outbox_(parts.outbox),
        counters_(parts.counters),
        team_(parts.team) {}

  // False, and nothing is done, while there is no room for the answer that the message gets.
  bool handle(Instant now, ByteSpan message);

  // Ends the flows of removed virtual servers when their time to drain is over.
  void poll(Instant now);
  Instant deadline() const;

 private:
  // A virtual server that takes no new flows; its address is ours as long as it has old ones.
  struct Draining {
    VirtualServer server;
    Instant until;
    PairIndex next = 0;  // of its flows to be ended then
  };

  void handle_ssmb(Instant now, ByteSpan message);
  void handle_csmb(Instant now, ByteSpan message);
  uint8_t add_virtual_server(const AddVsView& message);
  void add_address(const VirtualServer& server);
  void remove_address(const VirtualServer& server);
  uint8_t add_source(const AddSourceView& message);
  uint8_t delete_source(const IpAddress& address);
  void steer(const IpAddress& address);
  uint8_t delete_virtual_server(Instant now, const DeleteVsView& message);
  std::vector<Draining>::iterator find_draining(uint32_t id);

  Flows& flows_;
  Stack& stack_;
  Outbox& outbox_;
  Counters& counters_;
  const WorkerTeam& team_;
  std::vector<Draining> draining_;
};

}  // namespace sluice
