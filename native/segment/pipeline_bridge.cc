// The part of Pipeline for ports that are bridged. Frames between stations pass as they are, but
// for those that a virtual server takes, or a flow of one; what has a signature is a flow here,
// too.

#include "packet/l4_checksum.h"
#include "packet/parse.h"
#include "segment/pipeline.h"
#include "wire/ethernet.h"
#include "wire/tcp.h"

namespace sluice {

namespace {

MacAddress destination_of(const Packet& packet) { return EthernetHeader(packet.data).dst(); }

// What parse() has not approved of can neither be cut nor get its checksum here.
bool is_finished(const Packet& packet) {
  return !packet.offload.needs_checksum && packet.offload.gso_type == GsoType::none;
}

}  // namespace

// What a station sends to another is a frame like any other, unless it is a sound IP packet without
// a VLAN tag, or ARP: those are looked at.
void Pipeline::admit_to_bridge(Instant now, Packet& packet, Action& action) {
  if (packet.origin == PacketOrigin::sender) {
    bridge_->overhear(now, packet);
    packet.verdict = Verdict::elsewhere;
    return;
  }
  parse(packet);
  if (packet.drop_reason == DropReason::ethernet_malformed) return;
  if (!bridge_->admit(now, packet)) return;
  const bool tagged = packet.headers.l3 != EthernetHeader::kSize;
  const bool sound = packet.verdict == Verdict::none;
  if (bridge_->owns(destination_of(packet))) {
    if (sound && tagged) packet.drop(DropReason::ether_type_unknown);
    return;
  }
  if (!sound) {
    if (!is_finished(packet)) return;
    packet.headers = Headers{};  // what was found of them means nothing
    return pass(packet, action);
  }
  // Of a group nobody here translates anything: its fragments need no ports.
  const bool of_group = packet.headers.fragment && destination_of(packet).is_multicast();
  if (tagged || of_group) pass(packet, action);
}

void Pipeline::pass(Packet& packet, Action& action) {
  packet.verdict = Verdict::forward;
  packet.drop_reason = DropReason::count;
  action = {kNoLeg, kNoNextHop};
}

bool Pipeline::passes_by(const Packet& packet) const {
  return bridge_ != nullptr && !bridge_->owns(destination_of(packet));
}

// A frame for another station, or for many. Where no flow can be opened it passes without one: the
// stations need none.
void Pipeline::act_on_passing(Instant now, Packet& packet, Action& action) {
  if (destination_of(packet).is_multicast()) return act_on_group(now, packet, action);
  if (has_signature(packet) && !packet.key.dst.is_multicast()) {
    if (!hand_over_.alone() && leaves_for_other_worker(packet, packet.key)) return;
    if (serve(now, packet)) return;
    if (!hand_over_.alone() && leaves_on_its_side(now, packet)) return;
    if (may_begin_flow(packet) && l4_checksum_is_right(packet)) {
      const bool outbound = ports_[packet.in_port].internal;
      flows_.open(now, packet, 0, FlowPair::kBridged | (outbound ? FlowPair::kOutbound : 0));
      if (packet.verdict != Verdict::drop) return;
    }
  }
  pass(packet, action);
}

// What goes from outside to inside is steered by the same end as what comes back. Of two stations
// on the same side each is steered by its own: the flow is with the worker of its first packet.
bool Pipeline::leaves_on_its_side(Instant now, Packet& packet) {
  if ((packet.headers.tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn) return false;
  const PortId to = bridge_->port_towards(now, packet);
  if (to == kNoPort || ports_[to].internal != ports_[packet.in_port].internal) return false;
  const bool by_source = steering_of_others(packet) == SteerBy::source;
  return leaves_for(
      hand_over_.worker_of(packet.key, by_source ? SteerBy::destination : SteerBy::source), packet);
}

// TCPX-78: multicast and broadcast pass, and open no flow. Whoever asks for an address of ours gets
// the answer from us; nobody else needs to hear the question, or another's claim to the address.
void Pipeline::act_on_group(Instant now, Packet& packet, Action& action) {
  if (Stack::is_neighbor_message(packet)) {
    const bool overheard = packet.origin == PacketOrigin::overheard;
    if (overheard || stack_.concerns_us(packet)) return deliver(now, packet);
    if (!hand_over_.alone()) hand_over_.share(packet);
    stack_.overhear(now, packet);
  } else if (Stack::is_listener_query(packet)) {
    stack_.deliver(now, packet);  // we answer for our groups, as others do for theirs
  }
  pass(packet, action);
}

// Of a bridged flow. To us it was not sent to be passed on.
void Pipeline::pass_on_its_way(Packet& packet, Action& action) const {
  passes_by(packet) ? pass(packet, action) : packet.drop(DropReason::no_virtual_server);
}

}  // namespace sluice
