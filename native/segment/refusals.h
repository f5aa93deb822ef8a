#pragma once

#include "base/instant.h"
#include "flow/flow_entry.h"
#include "flow/virtual_server_table.h"
#include "packet/packet.h"
#include "segment/counters.h"
#include "stack/error_limit.h"
#include "stack/frame_sink.h"
#include "stack/stack.h"

namespace sluice {

// What refused clients are told (SSMB-37), at a bounded rate: who sends from forged addresses makes
// us send no more than that to anybody.
class Refusals {
 public:
  struct Parts {
    uint64_t seed;
    Stack& stack;
    Counters& counters;
    FrameSink& sink;
  };
  // A RST is no longer than what it answers, so there may be more of them than of ICMP errors.
  static constexpr RateLimit kResets{
      .burst = 500, .per_second = 500, .burst_of_all = 5000, .per_second_of_all = 20'000};

  explicit Refusals(const Parts& parts)
      : stack_(parts.stack),
        counters_(parts.counters),
        sink_(parts.sink),
        resets_(parts.seed, kResets) {}

  // The packet is dropped.
  void refuse(Instant now, Packet& packet, Refusal how, DropReason why = DropReason::refused);
  // A packet of a flow that was refused.
  void refuse(Instant now, Packet& packet, const FlowPair& flow);

 private:
  void reset(Instant now, const Packet& packet);

  Stack& stack_;
  Counters& counters_;
  FrameSink& sink_;
  ErrorLimit resets_;
};

}  // namespace sluice
