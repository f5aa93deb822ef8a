#include "segment/pipeline.h"

#include <algorithm>

#include "base/check.h"
#include "packet/fragmentation.h"
#include "packet/l4_checksum.h"
#include "packet/parse.h"
#include "rewrite/rewrite.h"
#include "wire/ethernet.h"
#include "wire/ip_protocol.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"
#include "wire/tcp.h"

namespace sluice {

namespace {

// RFC 6056 3.2: those below are of services.
constexpr L4Port kLowestSourcePort = 1024;

uint8_t hop_limit(const Packet& packet) {
  uint8_t* l3 = packet.at(packet.headers.l3);
  return packet.headers.family == 4 ? Ipv4Header(l3).ttl() : Ipv6Header(l3).hop_limit();
}

// A segment with RST or SYN+ACK cannot begin anything; others without SYN may belong to a session
// older than the flow (FLOWLIFE-16). Where the first fragment opened no flow the others do not.
bool may_begin_flow(const Packet& packet) {
  if (packet.headers.headless) return false;
  if (packet.headers.protocol != kProtocolTcp) return true;
  const uint8_t flags = packet.headers.tcp_flags;
  const bool answers = (flags & (kTcpSyn | kTcpAck)) == (kTcpSyn | kTcpAck);
  return (flags & kTcpRst) == 0 && !answers;
}

// What may also go on with a session that began before does not.
bool begins_session(const Packet& packet) {
  return packet.headers.protocol != kProtocolTcp || (packet.headers.tcp_flags & kTcpSyn);
}

bool carries_ports(const Packet& packet) {
  return packet.headers.protocol == kProtocolTcp || packet.headers.protocol == kProtocolUdp;
}

// What becomes of a packet that is routed without a flow.
constexpr Rewrite kRouted = [] {
  Rewrite rewrite;
  rewrite.ttl_delta = -1;
  return rewrite;
}();

}  // namespace

Pipeline::Pipeline(bool forward, const Parts& parts)
    : forward_(forward),
      flows_(parts.flows),
      fragments_(parts.fragments),
      stack_(parts.stack),
      transmitter_(parts.transmitter),
      counters_(parts.counters),
      hand_over_(parts.hand_over),
      refusals_({parts.seed, parts.stack, parts.counters, parts.sink}),
      icmp_relay_(parts.flows, parts.stack) {}

void Pipeline::add_port(PortId port, const MacAddress& mac, uint16_t mtu, bool internal) {
  ports_[port] = {mac, mtu, internal};
  any_internal_ |= internal;
}

void Pipeline::process(Instant now, Batch& batch) {
  const bool fragments = parse_batch(batch);
  count_received(batch);
  if (fragments) assign_fragments(now, batch);
  resume(now, batch);
}

void Pipeline::take_over(Instant now, Batch& batch) {
  if (parse_batch(batch)) assign_fragments(now, batch);
  resume(now, batch);
}

void Pipeline::resume(Instant now, Batch& batch) {
  flows_.begin_batch();
  look_up(batch);
  act(now, batch);
  rewrite(batch);
  dispatch(now, batch);
  flows_.end_batch();
}

// -- parse

bool Pipeline::parse_batch(Batch& batch) {
  bool fragments = false;
  for (Packet& packet : batch.all()) {
    if (packet.verdict != Verdict::none) continue;  // not the port's business
    const DatagramHead told = head_of(packet.key);
    parse(packet);
    if (packet.verdict != Verdict::none) continue;
    if (packet.headers.fragment) {
      fragments = true;
      if (packet.origin == PacketOrigin::assigned) complete_key(packet, told);
    }
    // The VLAN is no part of a signature yet: two VLANs' flows could not be told apart.
    if (packet.headers.l3 != EthernetHeader::kSize) {
      packet.drop(DropReason::ether_type_unknown);
      continue;
    }
    const MacAddress dst = EthernetHeader(packet.data).dst();
    if (dst.is_multicast()) {
      // RFC 1122 3.3.6; nothing that a flow could be made of comes to more than one (TCPX-78).
      if (has_signature(packet)) packet.drop(DropReason::multicast);
    } else if (dst != ports_[packet.in_port].mac) {
      packet.drop(DropReason::ethernet_other_host);
    }
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
    segments += packet.verdict == Verdict::none ? packet.wire_segments() : 1;
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
  switch (flows_.table().pair(pair_of(action.leg)).mode) {
    case PairMode::waiting: return flows_.wait(action.leg, packet);
    case PairMode::reset: return refusals_.refuse(now, packet, Refusal::reset);
    case PairMode::unreachable: return refusals_.refuse(now, packet, Refusal::unreachable);
    case PairMode::discard: return packet.drop(DropReason::refused);
    case PairMode::translate: break;
    case PairMode::free:
    case PairMode::over: SLUICE_CHECK(false);  // the index names neither
  }
  if (flows_.begins_anew(action.leg, packet)) {
    action.leg = kNoLeg;
    return act_on_stranger(now, packet, action);
  }
  if (!may_pass(now, packet, leg.next_hop, (leg.flags & LegFlags::kDecrementTtl) != 0)) return;
  flows_.follow(now, action.leg, packet);
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
  if (!hand_over_.alone() && leaves_for_other_worker(packet, packet.key)) return;
  if (has_signature(packet)) {
    const VirtualServer* server = virtual_server_of(packet.in_port, packet.key);
    if (server != nullptr) {
      if (packet.headers.headless) return packet.drop(DropReason::ip_fragment);
      if (!may_begin_flow(packet)) return packet.drop(DropReason::no_flow);
      if (server->maintenance && begins_session(packet)) {
        return refusals_.refuse(now, packet, server->refusal);
      }
      return open_flow(now, packet, server->id, false);
    }
    if (goes_on_from_source(packet)) {
      if (!hand_over_.alone() && leaves_as_answer(packet, packet.key)) return;
      return open_flow(now, packet, 0, true);
    }
  }
  act_on_other(now, packet, action);
}

// TCPX-65. Its flow is at home where the answers to what it quotes are, and so is what quotes
// nothing of a flow.
void Pipeline::act_on_icmp_error(Instant now, Packet& packet, Action& action) {
  IcmpQuote quote;
  if (!parse_icmp_quote(packet, quote)) return packet.drop(DropReason::l4_malformed);
  const LegIndex leg = icmp_relay_.leg_of(quote);
  if (leg == kNoLeg) {
    const FlowKey answered = quote.key.reversed();
    if (!hand_over_.alone() && leaves_for_other_worker(packet, answered)) return;
    if (!hand_over_.alone() && quote.has_ports && leaves_as_answer(packet, answered)) return;
    return act_on_other(now, packet, action);
  }
  icmp_relay_.translate(leg, quote, packet);
  if (packet.verdict != Verdict::forward) return;
  const NextHop hop = flows_.table().leg(leg).next_hop;
  if (!may_pass(now, packet, hop, true)) return;
  counters_.raise(Counter::icmp_relayed);
  stack_.share_next_hop(hop);
  action = {kNoLeg, hop};
}

// What belongs to no flow and opens none for a virtual server.
void Pipeline::act_on_other(Instant now, Packet& packet, Action& action) {
  if (is_icmp_order(packet)) return packet.drop(DropReason::icmp_obsolete);
  if (stack_.is_for_us(packet)) return deliver(now, packet);
  if (stack_.is_of_host(packet.key.dst)) return packet.drop(DropReason::host_address);
  DropReason why = DropReason::multicast;
  if (EthernetHeader(packet.data).dst().is_multicast()) return packet.drop(why);
  // Servers also answer what was routed to them, for which there is no flow.
  if (has_signature(packet) && ports_[packet.in_port].internal && may_begin_flow(packet)) {
    if (!stack_.may_be_sent_to(packet.key.dst, why)) return packet.drop(why);
    return open_flow(now, packet, 0, true);
  }
  // One of a flow that is translated would show the server's own address.
  if (packet.headers.fragment && ports_[packet.in_port].internal && carries_ports(packet)) {
    return packet.drop(DropReason::ip_fragment);
  }
  if (!hand_over_.alone() && has_signature(packet) && leaves_as_answer(packet, packet.key)) {
    return;
  }
  if (!forward_) return packet.drop(DropReason::no_virtual_server);
  route(now, packet, action);
}

// VS-13: one of any address takes what comes from outside, and nothing that is for us or our host.
const VirtualServer* Pipeline::virtual_server_of(PortId in_port, const FlowKey& key) {
  const VirtualServer* server = flows_.virtual_servers().find(key);
  if (server == nullptr || !server->any_address) return server;
  const bool taken = stack_.owns(key.dst) || stack_.is_of_host(key.dst);
  return taken || ports_[in_port].internal ? nullptr : server;
}

// What a server sends to an address that flows leave from, and whose flow is not here: the control
// segment may know it (FLOWLIFE-16). Nobody opens anything there, and nobody outside is served.
bool Pipeline::goes_on_from_source(const Packet& packet) const {
  if (!stack_.is_source(packet.key.dst) || packet.key.dst_port < kLowestSourcePort) return false;
  if (packet.headers.headless) return false;
  if (any_internal_ && !ports_[packet.in_port].internal) return false;
  if (packet.headers.protocol == kProtocolUdp) return true;
  return packet.headers.protocol == kProtocolTcp &&
         (packet.headers.tcp_flags & (kTcpSyn | kTcpRst)) == 0;
}

void Pipeline::deliver(Instant now, Packet& packet) {
  if (packet.origin == PacketOrigin::overheard) return stack_.overhear(now, packet);
  // Any worker may have asked, and each has neighbours of its own.
  const bool concerns_all = !hand_over_.alone() && Stack::is_neighbor_message(packet);
  if (concerns_all) hand_over_.share(packet);
  stack_.deliver(now, packet);
}

void Pipeline::open_flow(Instant now, Packet& packet, uint16_t vs, bool outbound) {
  if (!stack_.may_come_from(packet.key.src)) return packet.drop(DropReason::ip_martian);
  // Forwarded packets keep their checksums, right or wrong; a flow takes memory and a
  // decision, so what opens one has to be whole (DFS-26).
  if (!l4_checksum_is_right(packet)) return packet.drop(DropReason::l4_checksum);
  flows_.open(now, packet, vs, outbound);
}

void Pipeline::route(Instant now, Packet& packet, Action& action) {
  if (!stack_.may_come_from(packet.key.src)) return packet.drop(DropReason::ip_martian);
  DropReason why = DropReason::no_route;
  action.hop = stack_.acquire_next_hop(now, packet.key.dst, why);
  if (action.hop == kNoNextHop) {
    if (why == DropReason::no_route) {
      stack_.send_error(now, packet, {IcmpError::Kind::no_route});
    }
    return packet.drop(why);
  }
  if (!may_pass(now, packet, action.hop, true)) return stack_.release_next_hop(action.hop);
  packet.verdict = Verdict::forward;
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
    if (packet.verdict != Verdict::forward) continue;
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
  const NextHopView& hop = stack_.next_hop(action.hop);
  DropReason why;
  if (hop.resolved) {
    hop.write_addresses(packet.data);
    transmitter_.queue(now, hop.port, packet);
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
  const LegIndex leg = flows_.leg_of_any_dscp(packet.key);
  Rewrite applied = leg == kNoLeg ? kRouted : leg_rewrite(flows_.table(), leg);
  // Whatever has become of the flow meanwhile.
  applied.fields |= kRewriteSrcAddress | kRewriteDstAddress;
  if (packet.headers.has_ports) applied.fields |= kRewriteSrcPort | kRewriteDstPort;
  Packet original = packet;
  apply(undo_of(applied, packet), original);
  stack_.send_error(now, original, {IcmpError::Kind::host_unreachable});
}

}  // namespace sluice
