// The part of Pipeline for packets of no flow: which of them begin one, and what becomes of the
// others.

#include "packet/l4_checksum.h"
#include "segment/pipeline.h"
#include "wire/ethernet.h"
#include "wire/ip_protocol.h"
#include "wire/tcp.h"

namespace sluice {

namespace {

// RFC 6056 3.2: those below are of services.
constexpr L4Port kLowestSourcePort = 1024;

// What may also go on with a session that began before does not.
bool begins_session(const Packet& packet) {
  return packet.headers.protocol != kProtocolTcp || (packet.headers.tcp_flags & kTcpSyn);
}

// Of what has a signature; no other ICMP has one.
bool is_echo_reply(const Packet& packet) {
  const bool icmp = packet.headers.protocol == icmp_of(packet.headers.family == 4);
  return icmp && !packet.headers.echo_request;
}

// A handshake whose flow gave way in a full table goes on with its server's answer.
bool answers_syn(const Packet& packet) {
  constexpr uint8_t kSynAck = kTcpSyn | kTcpAck;
  return packet.headers.protocol == kProtocolTcp && !packet.headers.headless &&
         (packet.headers.tcp_flags & (kSynAck | kTcpRst)) == kSynAck;
}

}  // namespace

// A segment with RST or SYN+ACK, or an echo reply, cannot begin anything; other segments without
// SYN may belong to a session older than the flow (FLOWLIFE-16). Where the first fragment opened no
// flow the others do not.
bool Pipeline::may_begin_flow(const Packet& packet) {
  if (packet.headers.headless) return false;
  if (packet.headers.protocol != kProtocolTcp) return !is_echo_reply(packet);
  return (packet.headers.tcp_flags & kTcpRst) == 0 && !answers_syn(packet);
}

// TCPX-65. Its flow is at home where the answers to what it quotes are, and so is what quotes
// nothing of a flow.
void Pipeline::act_on_icmp_error(Instant now, Packet& packet, Action& action) {
  IcmpQuote quote;
  if (!parse_icmp_quote(packet, quote)) {
    return passes_by(packet) ? pass(packet, action) : packet.drop(DropReason::l4_malformed);
  }
  const LegIndex leg = icmp_relay_.leg_of(quote);
  if (leg == kNoLeg) {
    const FlowKey answered = quote.key.reversed();
    // About the last ACK of a connection that is over: nothing comes of it.
    if (quote.has_key && flows_.time_waits().find(answered) != TimeWaitTable::kNone) {
      if (!l4_checksum_is_right(packet)) return packet.drop(DropReason::l4_checksum);
      packet.verdict = Verdict::deliver;
      return;
    }
    if (!hand_over_.alone() && leaves_for_other_worker(packet, answered)) return;
    if (!hand_over_.alone() && quote.has_key && leaves_as_answer(packet, answered)) return;
    return passes_by(packet) ? pass(packet, action) : act_on_other(now, packet, action);
  }
  const FlowPair& pair = flows_.table().pair(pair_of(leg));
  const bool is_ours =
      pair.mode == PairMode::proxied ||
      (pair.mode == PairMode::splice && connections_.is_about_ours(leg, quote, packet));
  if (is_ours) {
    return pair.flow_class == FlowClass::datagrams
               ? datagrams_.error_arrives(now, leg, quote, packet)
               : connections_.error_arrives(now, leg, quote, packet);
  }
  const NextHop hop = flows_.table().leg(leg).next_hop;
  if (hop == kNoNextHop) return pass_on_its_way(packet, action);
  icmp_relay_.translate(leg, quote, packet);
  if (packet.verdict != Verdict::forward) return;
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
  if (bridge_ != nullptr) return packet.drop(DropReason::no_virtual_server);
  DropReason why = DropReason::multicast;
  if (EthernetHeader(packet.data).dst().is_multicast()) return packet.drop(why);
  // Servers also answer what was routed to them, for which there is no flow; and where half-open
  // flows give way, the SYN of one that did (FLOWLIFE-16).
  const bool asks =
      may_begin_flow(packet) || (answers_syn(packet) && flows_.may_have_given_way(now));
  if (has_signature(packet) && ports_[packet.in_port].internal && asks) {
    if (!stack_.may_be_sent_to(packet.key.dst, why)) return packet.drop(why);
    return open_flow(now, packet, 0, FlowPair::kOutbound);
  }
  // One of a flow that is translated would show the server's own address. Echo replies are routed,
  // whole or not, where the request was.
  if (packet.headers.fragment && ports_[packet.in_port].internal && has_signature(packet) &&
      !is_echo_reply(packet)) {
    return packet.drop(DropReason::ip_fragment);
  }
  if (!hand_over_.alone() && has_signature(packet) && leaves_as_answer(packet, packet.key)) {
    return;
  }
  if (!routes_) return packet.drop(DropReason::no_virtual_server);
  route(now, packet, action);
}

// A packet with a signature that a virtual server takes opens a flow, or is refused.
bool Pipeline::serve(Instant now, Packet& packet) {
  const VirtualServer* server = virtual_server_of(packet.in_port, packet.key);
  if (server == nullptr) return false;
  if (packet.headers.headless) {
    packet.drop(DropReason::ip_fragment);
  } else if (!may_begin_flow(packet)) {
    packet.drop(DropReason::no_flow);
  } else if (server->maintenance && begins_session(packet)) {
    refusals_.refuse(now, packet, server->refusal);
  } else if (server->ends_connections() && !begins_session(packet)) {
    if (connections_.cookie_arrives(now, packet, *server)) return true;
    // RFC 9293 3.10.7.2: what is for no connection of ours is told so.
    refusals_.refuse(now, packet, Refusal::reset, DropReason::no_flow);
  } else if (server->terminates && packet.headers.protocol == kProtocolUdp) {
    datagrams_.accept(now, packet, server->id);
  } else if (server->ends_connections()) {
    connections_.accept(now, packet, *server);
  } else {
    open_flow(now, packet, server->id, 0);
  }
  return true;
}

// VS-13: one of any address takes what comes from outside, and nothing that is for us or our host.
const VirtualServer* Pipeline::virtual_server_of(PortId in_port, const FlowKey& key) {
  const VirtualServer* server = flows_.virtual_servers().find(key);
  if (server == nullptr || !server->any_address) return server;
  const bool taken = stack_.owns(key.dst) || stack_.is_of_host(key.dst);
  return taken || ports_[in_port].internal ? nullptr : server;
}

// What a server sends to an address that flows leave from, and whose flow is not here: the control
// segment may know it (FLOWLIFE-16). Nobody opens anything there, and servers answer from the side
// where they are.
bool Pipeline::goes_on_from_source(const Packet& packet) const {
  if (packet.key.dst_port < kLowestSourcePort || packet.headers.headless) return false;
  const bool from_outside = any_internal_ && !ports_[packet.in_port].internal;
  if (from_outside != stack_.is_outbound_source(packet.key.dst)) return false;
  if (packet.headers.protocol == kProtocolUdp) return true;
  if (packet.headers.protocol != kProtocolTcp) return is_echo_reply(packet);
  return (packet.headers.tcp_flags & (kTcpSyn | kTcpRst)) == 0 || answers_syn(packet);
}

void Pipeline::deliver(Instant now, Packet& packet) {
  if (packet.origin == PacketOrigin::overheard) return stack_.overhear(now, packet);
  // Any worker may have asked, and each has neighbours of its own.
  const bool concerns_all = !hand_over_.alone() && Stack::is_neighbor_message(packet);
  if (concerns_all) hand_over_.share(packet);
  stack_.deliver(now, packet);
}

void Pipeline::open_flow(Instant now, Packet& packet, uint16_t vs, uint16_t flags) {
  if (!stack_.may_come_from(packet.key.src)) return packet.drop(DropReason::ip_martian);
  // Forwarded packets keep their checksums, right or wrong; a flow takes memory and a
  // decision, so what opens one has to be whole (DFS-26).
  if (!l4_checksum_is_right(packet)) return packet.drop(DropReason::l4_checksum);
  flows_.open(now, packet, vs, flags);
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

}  // namespace sluice
