#include "segment/pipeline.h"

#include <algorithm>

#include "base/check.h"
#include "packet/fragmentation.h"
#include "packet/parse.h"
#include "rewrite/rewrite.h"
#include "wire/ethernet.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

namespace sluice {

namespace {

uint8_t hop_limit(const Packet& packet) {
  uint8_t* l3 = packet.at(packet.headers.l3);
  return packet.headers.family == 4 ? Ipv4Header(l3).ttl() : Ipv6Header(l3).hop_limit();
}

// Where each port is a link of its own. `own`: the port's MAC address.
void admit(Packet& packet, const MacAddress& own) {
  parse(packet);
  if (packet.verdict != Verdict::none) return;
  // The VLAN is no part of a signature yet: two VLANs' flows could not be told apart.
  if (packet.headers.l3 != EthernetHeader::kSize) {
    return packet.drop(DropReason::ether_type_unknown);
  }
  const MacAddress dst = EthernetHeader(packet.data).dst();
  if (dst.is_multicast()) {
    // RFC 1122 3.3.6; nothing that a flow could be made of comes to more than one (TCPX-78).
    if (has_signature(packet)) packet.drop(DropReason::multicast);
  } else if (dst != own) {
    packet.drop(DropReason::ethernet_other_host);
  }
}

// What becomes of a packet that is routed without a flow.
constexpr Rewrite kRouted = [] {
  Rewrite rewrite;
  rewrite.ttl_delta = -1;
  return rewrite;
}();

}  // namespace

Pipeline::Pipeline(bool routes, const Parts& parts)
    : routes_(routes),
      flows_(parts.flows),
      fragments_(parts.fragments),
      stack_(parts.stack),
      transmitter_(parts.transmitter),
      counters_(parts.counters),
      hand_over_(parts.hand_over),
      refusals_({parts.seed, parts.stack, parts.counters, parts.sink}),
      connections_(parts.connections),
      datagrams_(parts.datagrams),
      bridge_(parts.bridge),
      icmp_relay_(parts.flows, parts.stack) {}

void Pipeline::add_port(PortId port, const MacAddress& mac, uint16_t mtu, bool internal) {
  ports_[port] = {mac, mtu, internal};
  any_internal_ |= internal;
}

void Pipeline::process(Instant now, Batch& batch) {
  const bool fragments = parse_batch(now, batch);
  count_received(batch);
  if (fragments) assign_fragments(now, batch);
  resume(now, batch);
}

void Pipeline::take_over(Instant now, Batch& batch) {
  if (parse_batch(now, batch)) assign_fragments(now, batch);
  resume(now, batch);
}

void Pipeline::resume(Instant now, Batch& batch) {
  flows_.begin_batch();
  look_up(batch);
  act(now, batch);
  rewrite(batch);
  dispatch(now, batch);
  flows_.end_batch();
  connections_.end_batch(now);
}

// -- parse

bool Pipeline::parse_batch(Instant now, Batch& batch) {
  bool fragments = false;
  for (size_t i = 0; i < batch.count; ++i) {
    Packet& packet = batch.packets[i];
    if (packet.verdict != Verdict::none) continue;  // not the port's business
    const bool assigned = packet.origin == PacketOrigin::assigned;
    const DatagramHead told = assigned ? head_of(packet) : DatagramHead{};
    if (bridge_ == nullptr) {
      admit(packet, ports_[packet.in_port].mac);
    } else {
      admit_to_bridge(now, packet, actions_[i]);
    }
    if (packet.verdict != Verdict::none || !packet.headers.fragment) continue;
    fragments = true;
    if (assigned) complete_key(packet, told);
  }
  return fragments;
}

void Pipeline::assign_fragments(Instant now, Batch& batch) {
  for (Packet& packet : batch.all()) {
    if (!Fragments::concerns(packet) || packet.origin == PacketOrigin::assigned) continue;
    if (!hand_over_.alone() && leaves_with_datagram(packet)) continue;
    fragments_.assign(now, packet);
  }
}

void Pipeline::count_received(Batch& batch) {
  uint64_t segments = 0;
  uint64_t bytes = 0;
  for (const Packet& packet : batch.all()) {
    bytes += packet.length;
    segments += packet.verdict == Verdict::drop ? 1 : packet.wire_segments();
  }
  counters_.raise(Counter::received, batch.count);
  counters_.raise(Counter::received_segments, segments);
  counters_.raise(Counter::received_bytes, bytes);
}

// -- look up

void Pipeline::look_up(const Batch& batch) {
  const FlowTable& table = flows_.table();
  table.find_batch({batch.packets.data(), batch.count}, legs_.data());
  table.prefetch_pairs({legs_.data(), batch.count});
  looked_up_at_ = table.changes();
}

// -- act: each packet gets its verdict here, or waits

void Pipeline::act(Instant now, Batch& batch) {
  for (size_t i = 0; i < batch.count; ++i) {
    Packet& packet = batch.packets[i];
    if (packet.verdict != Verdict::none) continue;
    // An earlier packet of this batch may have opened or ended the flow.
    const bool current = flows_.table().changes() == looked_up_at_ || !has_signature(packet);
    actions_[i] = {current ? legs_[i] : flows_.table().find(packet.key), kNoNextHop};
    if (actions_[i].leg != kNoLeg) {
      act_on_flow(now, packet, actions_[i]);
    } else {
      act_on_stranger(now, packet, actions_[i]);
    }
  }
}

void Pipeline::act_on_flow(Instant now, Packet& packet, Action& action) {
  const FlowEntry& leg = flows_.table().leg(action.leg);
  const FlowPair& flow = flows_.table().pair(pair_of(action.leg));
  switch (flow.mode) {
    case PairMode::waiting: return flows_.wait(action.leg, packet);
    case PairMode::reset:
    case PairMode::unreachable:
    case PairMode::discard: return refusals_.refuse(now, packet, flow);
    case PairMode::proxied:
      return flow.flow_class == FlowClass::datagrams
                 ? datagrams_.arrives(now, action.leg, packet)
                 : connections_.arrives(now, action.leg, packet);
    case PairMode::splice:
      if (leg.protocol == kProtocolTcp && !connections_.passes(now, action.leg, packet)) return;
      break;
    case PairMode::translate: break;
    case PairMode::free:
    case PairMode::over: SLUICE_CHECK(false);  // the index names neither
  }
  if (flows_.begins_anew(action.leg, packet)) {
    action.leg = kNoLeg;
    return act_on_stranger(now, packet, action);
  }
  if (leg.next_hop == kNoNextHop) {
    if (passes_by(packet)) flows_.follow(now, action.leg, packet);
    return pass_on_its_way(packet, action);
  }
  if (flows_.reaches_across(action.leg, packet)) {
    return packet.drop(DropReason::fragment_renumbered);
  }
  if (!may_pass(now, packet, leg.next_hop, (leg.flags & LegFlags::kDecrementTtl) != 0)) return;
  if (!flows_.follow(now, action.leg, packet)) return packet.drop(DropReason::outside_window);
  const bool is_connection = flow.mode == PairMode::splice && leg.protocol == kProtocolTcp;
  if (is_connection && connections_.settles(now, action.leg)) {
    packet.verdict = Verdict::deliver;
    return;
  }
  action.hop = leg.next_hop;
  packet.verdict = Verdict::forward;
}

void Pipeline::act_on_stranger(Instant now, Packet& packet, Action& action) {
  // A RST often has the DSCP of what it answers, not that of its flow.
  if (has_signature(packet) && (packet.headers.tcp_flags & kTcpRst)) {
    action.leg = flows_.leg_of_any_dscp(packet.key);
    if (action.leg != kNoLeg) return act_on_flow(now, packet, action);
  }
  if (is_icmp_error(packet)) return act_on_icmp_error(now, packet, action);
  if (has_signature(packet) && connections_.time_wait_arrives(now, packet)) return;
  if (passes_by(packet)) return act_on_passing(now, packet, action);
  if (!hand_over_.alone() && leaves_for_other_worker(packet, packet.key)) return;
  if (has_signature(packet) && serve(now, packet)) return;
  if (has_signature(packet) && stack_.is_source(packet.key.dst)) {
    if (!hand_over_.alone() && leaves_as_answer(packet, packet.key)) return;
    if (goes_on_from_source(packet)) return open_flow(now, packet, 0, FlowPair::kOutbound);
  }
  act_on_other(now, packet, action);
}

// Whether a forwarded packet has the hops left, and fits the link or may be cut where it is sent
// (DFS-25, TCPX-67, TCPX-34).
bool Pipeline::may_pass(Instant now, Packet& packet, NextHop hop, bool routed) {
  const bool expired = routed && hop_limit(packet) <= 1;
  const uint16_t mtu = stack_.next_hop(hop).mtu;
  if (!expired && packet.wire_ip_length() <= mtu) return true;
  return passes_in_parts(now, packet, expired, mtu);
}

// Apart from the above, which every packet meets.
bool Pipeline::passes_in_parts(Instant now, Packet& packet, bool expired, uint16_t mtu) {
  if (expired) {
    stack_.send_error(now, packet, {IcmpError::Kind::time_exceeded});
    packet.drop(DropReason::ttl_expired);
    return false;
  }
  if (may_be_fragmented(packet)) return true;
  stack_.send_error(now, packet, {IcmpError::Kind::packet_too_big, mtu});
  packet.drop(DropReason::mtu_exceeded);
  return false;
}

// -- rewrite

void Pipeline::rewrite(Batch& batch) {
  for (size_t i = 0; i < batch.count; ++i) {
    Packet& packet = batch.packets[i];
    if (packet.verdict != Verdict::forward || actions_[i].hop == kNoNextHop) continue;
    const LegIndex leg = actions_[i].leg;
    if (leg == kNoLeg) {
      apply(kRouted, packet);
      continue;
    }
    flows_.rewrite(leg, packet);
    if (packet.headers.tcp_flags & kTcpSyn) clamp(packet, actions_[i].hop);
  }
}

// Neither side is told of segments larger than what both links carry (TCPX-20).
void Pipeline::clamp(Packet& packet, NextHop hop) const {
  const uint16_t mtu = std::min(ports_[packet.in_port].mtu, stack_.next_hop(hop).mtu);
  const size_t headers = packet.headers.family == 4 ? Ipv4Header::kSize : Ipv6Header::kSize;
  clamp_mss(packet, static_cast<uint16_t>(mtu - headers - TcpHeader::kSize));
}

// -- dispatch: the verdict is carried out and counted, once (law 9)

void Pipeline::dispatch(Instant now, Batch& batch) {
  for (size_t i = 0; i < batch.count; ++i) {
    Packet& packet = batch.packets[i];
    switch (packet.verdict) {
      case Verdict::forward: send_on(now, packet, actions_[i]); break;
      case Verdict::deliver: counters_.raise(Counter::delivered); break;
      case Verdict::drop: counters_.raise(packet.drop_reason); break;
      case Verdict::none:  // waits for a decision
      case Verdict::elsewhere: break;
    }
  }
}

void Pipeline::send_on(Instant now, Packet& packet, const Action& action) {
  if (action.hop == kNoNextHop) return bridge_->pass(now, packet);
  const NextHopView& hop = stack_.next_hop(action.hop);
  DropReason why;
  if (hop.resolved) {
    hop.write_addresses(packet.data);
    bridge_ == nullptr ? transmitter_.queue(now, hop.port, packet) : bridge_->forward(now, packet);
  } else if (!stack_.hold(now, action.hop, packet, why)) {
    packet.drop(why);
    counters_.raise(why);
    give_up(now, packet);
  }
  if (action.leg == kNoLeg) stack_.release_next_hop(action.hop);
}

// The error quotes what the sender sent, not what it had become.
void Pipeline::give_up(Instant now, const Packet& packet) {
  if (packet.drop_reason != DropReason::neighbor_unresolved) return;
  if (packet.origin == PacketOrigin::own) {
    return packet.key.protocol == kProtocolUdp ? datagrams_.unreachable(now, packet.key)
                                               : connections_.unreachable(now, packet.key);
  }
  const LegIndex leg = flows_.leg_of_any_dscp(packet.key);
  Rewrite applied = leg == kNoLeg ? kRouted : leg_rewrite(flows_.table(), leg);
  // Whatever has become of the flow meanwhile.
  applied.fields |= kRewriteSrcAddress | kRewriteDstAddress;
  if (packet.headers.has_key) applied.fields |= kRewriteSrcPort | kRewriteDstPort;
  Packet original = packet;
  apply(undo_of(applied, packet), original);
  if (leg != kNoLeg) renumber_back(flows_.table(), leg, original);
  stack_.send_error(now, original, {IcmpError::Kind::host_unreachable});
}

}  // namespace sluice
