#pragma once

#include <array>
#include <cstdint>

#include "packet/packet.h"
#include "segment/bridge.h"
#include "segment/connections.h"
#include "segment/counters.h"
#include "segment/datagrams.h"
#include "segment/flows.h"
#include "segment/fragments.h"
#include "segment/hand_over.h"
#include "segment/icmp_relay.h"
#include "segment/refusals.h"
#include "segment/transmitter.h"
#include "stack/stack.h"

namespace sluice {

// The path of a packet, in five stages: parse, look up, act, rewrite, dispatch. Each takes a whole
// batch; a packet that has its verdict passes the stages between untouched. Fragments are given
// their ports with the parse stage.
class Pipeline {
 public:
  struct Parts {
    Flows& flows;
    Fragments& fragments;
    Stack& stack;
    Transmitter& transmitter;
    Counters& counters;
    HandOver& hand_over;
    FrameSink& sink;
    uint64_t seed;
    Connections& connections;
    Datagrams& datagrams;
    Bridge* bridge;  // null where ports are not bridged
  };

  // `routes`: packets that no virtual server takes are routed.
  Pipeline(bool routes, const Parts& parts);

  // `internal`: flows that begin behind the port are outbound (SSMB-29).
  void add_port(PortId port, const MacAddress& mac, uint16_t mtu, bool internal);

  // Frames that a port has just handed out.
  void process(Instant now, Batch& batch);
  // Frames that other workers have handed over, and counted as received.
  void take_over(Instant now, Batch& batch);
  // Packets that were parsed before and waited for a decision, or a first fragment, that has come.
  void resume(Instant now, Batch& batch);
  // A packet that was sent on and waited for its next hop, which does not answer: its sender is
  // told.
  void give_up(Instant now, const Packet& packet);

 private:
  // What was decided for a packet with verdict `forward`.
  struct Action {
    LegIndex leg;  // kNoLeg: without a flow, and `hop` is a reference of this packet's
    NextHop hop;   // kNoNextHop: bridged, as it is
  };

  // True if there are fragments.
  bool parse_batch(Instant now, Batch& batch);
  void assign_fragments(Instant now, Batch& batch);
  void count_received(Batch& batch);
  void look_up(const Batch& batch);
  void act(Instant now, Batch& batch);
  void rewrite(Batch& batch);
  void dispatch(Instant now, Batch& batch);

  void act_on_flow(Instant now, Packet& packet, Action& action);
  void act_on_stranger(Instant now, Packet& packet, Action& action);
  void act_on_icmp_error(Instant now, Packet& packet, Action& action);
  void act_on_other(Instant now, Packet& packet, Action& action);
  static bool may_begin_flow(const Packet& packet);
  bool serve(Instant now, Packet& packet);
  const VirtualServer* virtual_server_of(PortId in_port, const FlowKey& key);
  bool goes_on_from_source(const Packet& packet) const;
  SteerBy steering_of(PortId in_port, const FlowKey& key);
  SteerBy steering_of_others(const Packet& packet) const;
  bool leaves_for_other_worker(Packet& packet, const FlowKey& key);
  bool leaves_as_answer(Packet& packet, const FlowKey& key);
  bool leaves_for(uint32_t worker, Packet& packet);
  bool leaves_with_datagram(Packet& packet);
  void deliver(Instant now, Packet& packet);
  void open_flow(Instant now, Packet& packet, uint16_t vs, uint16_t flags);
  void route(Instant now, Packet& packet, Action& action);
  bool may_pass(Instant now, Packet& packet, NextHop hop, bool routed);
  [[gnu::noinline, gnu::cold]] bool passes_in_parts(Instant now, Packet& packet, bool expired,
                                                    uint16_t mtu);
  void clamp(Packet& packet, NextHop hop) const;
  void send_on(Instant now, Packet& packet, const Action& action);

  // pipeline_bridge.cc: where the ports are bridged
  void admit_to_bridge(Instant now, Packet& packet, Action& action);
  static void pass(Packet& packet, Action& action);
  bool passes_by(const Packet& packet) const;
  void act_on_passing(Instant now, Packet& packet, Action& action);
  bool leaves_on_its_side(Instant now, Packet& packet);
  void act_on_group(Instant now, Packet& packet, Action& action);
  void pass_on_its_way(Packet& packet, Action& action) const;

  struct PortInfo {
    MacAddress mac;
    uint16_t mtu = 0;
    bool internal = false;
  };

  bool routes_;
  Flows& flows_;
  Fragments& fragments_;
  Stack& stack_;
  Transmitter& transmitter_;
  Counters& counters_;
  HandOver& hand_over_;
  Refusals refusals_;
  Connections& connections_;
  Datagrams& datagrams_;
  Bridge* bridge_;
  IcmpRelay icmp_relay_;
  std::array<PortInfo, kMaxPorts> ports_;
  bool any_internal_ = false;
  std::array<LegIndex, kBatchCapacity> legs_;  // of the last look-up
  uint64_t looked_up_at_ = 0;                  // FlowTable::changes() then
  std::array<Action, kBatchCapacity> actions_;
};

}  // namespace sluice
