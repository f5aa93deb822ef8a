#pragma once

#include "packet/packet.h"

namespace sluice {

// Where the stack's frames go; the worker implements it. Each call ends one packet's stay here, so
// the one who implements it raises the counters of law 9: a packet is counted exactly once. The
// bytes are the stack's again when a call returns; kHeadroom bytes before them may be overwritten.
class FrameSink {
 public:
  // A frame that the engine made itself: ARP, neighbour discovery, an echo reply.
  virtual void originate(PortId port, Packet& frame) = 0;
  // A packet that hold() took goes on, its Ethernet addresses set and its verdict `forward`. Per
  // port, packets leave in the order of these calls and of the worker's own.
  virtual void resume(PortId port, Packet& packet) = 0;
  // A packet that hold() took is given up, its drop reason set.
  virtual void give_up(const Packet& packet) = 0;

 protected:
  ~FrameSink() = default;
};

}  // namespace sluice
