#pragma once

#include <span>

#include "packet/packet.h"

namespace sluice {

// Where the stack's frames go; the worker implements it. Each call ends one packet's stay here, so
// the one who implements it raises the counters of law 9: a packet is counted exactly once. The
// bytes are the stack's again when a call returns; kHeadroom bytes before them may be overwritten.
class FrameSink {
 public:
  // A frame that the engine made itself: ARP, neighbour discovery, an echo reply.
  virtual void originate(PortId port, Packet& frame) = 0;
  // Packets that hold() took go on, a batch of one next hop at most, their Ethernet addresses set
  // and their verdict `forward`. Per port, packets leave in this order, in that of the calls and of
  // the worker's own.
  virtual void resume(PortId port, std::span<Packet* const> packets) = 0;
  // A packet that hold() took is given up, its drop reason set.
  virtual void give_up(const Packet& packet) = 0;

 protected:
  ~FrameSink() = default;
};

}  // namespace sluice
