#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "port/steering_program.h"

namespace sluice {

// Packet sockets of one device that share its frames: each frame goes to one of them, in the order
// in which they joined, as a program says; without one, as the kernel's own hash of addresses and
// ports does, which differs for the two sides of a translation.
class PacketFanout {
 public:
  explicit PacketFanout(const SteeringProgram* program) : program_(program) {}

  // Before a socket is bound: it sees nothing until let_in(). Bound alone, it would get frames that
  // the sockets before it get, too.
  static Status hold_back(int socket, const std::string& device);
  // After it is bound.
  Status join(int socket, const std::string& device);
  // From now on it sees its share of what comes in, and nothing of what is sent (DFS-23).
  static Status let_in(int socket, const std::string& device);

 private:
  const SteeringProgram* program_;
  int group_ = -1;  // of this network namespace, chosen by the kernel
};

}  // namespace sluice
