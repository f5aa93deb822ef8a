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
class SteeringProgram {
 public:
  explicit SteeringProgram(FileDescriptor program) : program_(std::move(program)) {}
  // None, since the kernel refused to load it with this errno.
  static SteeringProgram refused(int error_number) {
    SteeringProgram none{FileDescriptor()};
    none.refusal_ = error_number;
    return none;
  }

  int descriptor() const { return program_.get(); }
  // errno; 0 where there is a program.
  int refusal() const { return refusal_; }

 private:
  FileDescriptor program_;
  int refusal_ = 0;
};

// How the kernel spreads what comes to the ports of several workers, in words for the user: by the
// program, or, where the kernel refused that with an errno, by its own hash. It is not an error:
// what comes to the wrong worker is handed over.
std::string describe_steering(const SteeringProgram* program, int refusal);

// One program for each way to steer packets to others, and the engine's addresses that both look
// at. Needs CAP_BPF outside of user namespaces.
class SteeringPrograms {
 public:
  static Result<SteeringPrograms> load(const Steering& steering);
  // None, since load() failed with this errno.
  static SteeringPrograms refused(int error_number) {
    return {FileDescriptor(), SteeringProgram::refused(error_number),
            SteeringProgram::refused(error_number)};
  }

  const SteeringProgram& of(SteerBy others) const {
    return others == SteerBy::source ? by_source_ : by_destination_;
  }
  // Packets to this address are steered by their source from now on. Where the table is full they
  // are handed over.
  void set_own(const IpAddress& address, bool own) const;

 private:
  SteeringPrograms(FileDescriptor own_addresses, SteeringProgram by_source,
                   SteeringProgram by_destination)
      : own_addresses_(std::move(own_addresses)),
        by_source_(std::move(by_source)),
        by_destination_(std::move(by_destination)) {}

  FileDescriptor own_addresses_;
  SteeringProgram by_source_, by_destination_;
};

}  // namespace sluice
