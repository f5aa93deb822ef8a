#pragma once

#include <string>

#include "base/result.h"
#include "packet/steering.h"
#include "port/file_descriptor.h"

namespace sluice {

// Steering, carried out by the kernel before a packet reaches a worker: a BPF program for the
// queues of a TAP device and for groups of packet sockets. It reads no further than where Steering
// looks, so that it and the engine differ nowhere but for IPv6 extension headers, whose packets are
// handed over.
//
// Needs CAP_BPF outside of user namespaces.
class SteeringProgram {
 public:
  static Result<SteeringProgram> load(const Steering& steering);

  int descriptor() const { return program_.get(); }
  // Packets to this address are steered by their source from now on, others by their destination.
  // Where the table is full they are handed over.
  void set_own(const IpAddress& address, bool own) const;

 private:
  SteeringProgram(FileDescriptor own_addresses, FileDescriptor program)
      : own_addresses_(std::move(own_addresses)), program_(std::move(program)) {}

  FileDescriptor own_addresses_;
  FileDescriptor program_;
};

}  // namespace sluice
