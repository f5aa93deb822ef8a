#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "port/steering_program.h"

namespace sluice {

// Packet sockets of one device that share its frames: each frame goes to one of them, in the order
// in which they joined, as a program says; without one, or where the kernel does not take it, as
// the kernel's own hash of addresses and ports does, which differs for the two sides of a
// translation.
class PacketFanout {
 public:
  PacketFanout(const SteeringProgram* program, int link_index, const std::string& device);

  // Before a socket is bound: it sees nothing until let_in(). Bound alone, it would get frames that
  // the sockets before it get, too.
  static Status hold_back(int socket, const std::string& device);
  // After it is bound.
  Status join(int socket, const std::string& device);
  // As describe_steering().
  std::string description() const { return describe_steering(program_, refusal_); }
  // From now on it sees its share of what comes in, and nothing of what is sent (DFS-23).
  static Status let_in(int socket, const std::string& device);

 private:
  bool by_program() const { return program_ != nullptr && refusal_ == 0; }

  const SteeringProgram* program_;
  int refusal_ = 0;  // errno, where the kernel does not steer by the program
  int group_ = -1;   // of this network namespace, chosen by the kernel
};

}  // namespace sluice
