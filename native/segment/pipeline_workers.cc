// The part of Pipeline that knows which worker a packet is for.

#include "segment/pipeline.h"
#include "wire/tcp.h"

namespace sluice {

SteerBy Pipeline::steering_of_others(const Packet& packet) const {
  return steering_of_port(ports_[packet.in_port].internal, any_internal_);
}

// A packet whose flow, if it has one, is another worker's; ours are looked up before. A fragment
// that was handed over came for its datagram, and finds out here where its flow is.
// `key`: of the packet, or of what an error answers.
bool Pipeline::leaves_for_other_worker(Packet& packet, const FlowKey& key) {
  const bool settled = packet.origin == PacketOrigin::assigned ||
                       (packet.origin == PacketOrigin::handed_over && !packet.headers.fragment);
  if (settled || packet.origin == PacketOrigin::overheard || packet.headers.family == 0) {
    return false;
  }
  if (packet.key.dst.is_multicast()) return false;
  return leaves_for(hand_over_.worker_of(key, steering_of(packet.in_port, key)), packet);
}

// By the client, where it is to one of ours; what comes back to where flows left from is as what
// comes back to the clients themselves.
SteerBy Pipeline::steering_of(PortId in_port, const FlowKey& key) {
  if (virtual_server_of(in_port, key) != nullptr) return SteerBy::source;
  const bool ours = stack_.owns(key.dst) && !stack_.is_source(key.dst);
  return ours ? SteerBy::source : steering_of_port(ports_[in_port].internal, any_internal_);
}

// All fragments of a datagram meet at one worker, to which the kernel steers them as packets
// without ports.
bool Pipeline::leaves_with_datagram(Packet& packet) {
  if (packet.origin != PacketOrigin::port || packet.key.dst.is_multicast()) return false;
  const bool ours = stack_.owns(packet.key.dst) && !stack_.is_source(packet.key.dst);
  const uint32_t worker =
      hand_over_.worker_of_datagram(packet, ours ? SteerBy::source : steering_of_others(packet));
  if (worker == hand_over_.own()) return false;
  hand_over_.give(worker, packet, PacketOrigin::handed_over);
  return true;
}

// Policies may send clients to servers anywhere. What comes from outside and begins nothing may be
// the answer of one, whose flow is at home where the answer goes.
bool Pipeline::leaves_as_answer(Packet& packet, const FlowKey& key) {
  if (steering_of_others(packet) == SteerBy::destination) return false;
  if (stack_.is_outbound_source(key.dst)) return false;
  if ((packet.headers.tcp_flags & (kTcpSyn | kTcpAck)) == kTcpSyn) return false;
  return leaves_for(hand_over_.worker_of(key, SteerBy::destination), packet);
}

bool Pipeline::leaves_for(uint32_t worker, Packet& packet) {
  if (worker == hand_over_.own()) return false;
  const bool assigned = packet.headers.fragment && packet.headers.has_key;
  hand_over_.give(worker, packet, assigned ? PacketOrigin::assigned : PacketOrigin::handed_over);
  return true;
}

}  // namespace sluice
