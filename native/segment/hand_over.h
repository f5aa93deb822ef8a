#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "bus/message_ring.h"
#include "packet/packet.h"
#include "packet/steering.h"
#include "port/steering_program.h"
#include "segment/counters.h"
#include "segment/fragments.h"
#include "segment/sleeper.h"

namespace sluice {

// What the workers of a segment share: who has which flows, and a ring from each to each other. The
// memory of a ring is touched only where packets are handed over.
class WorkerTeam {
 public:
  explicit WorkerTeam(const Steering& steering, size_t ring_bytes = kRingBytes);

  const Steering& steering() const { return steering_; }
  uint32_t size() const { return steering_.workers(); }
  MessageRing& ring(uint32_t from, uint32_t to) { return *rings_[from * size() + to]; }
  Sleeper& sleeper(uint32_t worker) { return sleepers_[worker]; }

  // The kernel steers by these programs, where there are any.
  void steer_by(SteeringPrograms programs) { programs_.emplace(std::move(programs)); }
  const SteeringProgram* program(SteerBy others) const {
    return programs_ ? &programs_->of(others) : nullptr;
  }
  // Tells the programs, if there are any, which addresses are the engine's.
  void set_own(const IpAddress& address, bool own) const {
    if (programs_) programs_->set_own(address, own);
  }

  static constexpr size_t kRingBytes = 2 << 20;  // some 30 super-packets

 private:
  Steering steering_;
  std::optional<SteeringPrograms> programs_;
  std::vector<std::unique_ptr<MessageRing>> rings_;
  std::unique_ptr<Sleeper[]> sleepers_;
};

// Brings packets to the worker that has their flows, where the kernel steered them elsewhere, and
// neighbour messages to all. One worker's view of its team; whatever is given is copied.
class HandOver {
 public:
  HandOver(WorkerTeam& team, uint32_t own, Counters& counters)
      : team_(team), own_(own), counters_(counters) {}

  bool alone() const { return team_.size() == 1; }
  uint32_t own() const { return own_; }
  uint32_t worker_of(const FlowKey& key, SteerBy by) const {
    return team_.steering().worker_of(key, by);
  }
  // Where the fragments of a datagram meet.
  uint32_t worker_of_datagram(const Packet& fragment, SteerBy by) const {
    return team_.steering().worker_of_arrival(fragment, by);
  }

  // The packet is another's now, or dropped where that one has no room. Sets its verdict. `as` is
  // what it is there: handed_over or assigned.
  void give(uint32_t to, Packet& packet, PacketOrigin as);
  // Lets all others know of a neighbour message. Best effort: neighbours repeat themselves, and
  // half of a ring is for packets of flows.
  void share(const Packet& packet);
  // Lets all others know where the sender of a frame is. Best effort: it sends again.
  void tell_of_sender(const Packet& frame);
  // Wakes those that were given something since the last call.
  void wake();

  // Fills the batch with what another worker has given, as Port::receive() does, in_port and origin
  // included, and of what is assigned head_of() it. Their bytes are the caller's until
  // release(). False if there is nothing.
  bool take(uint32_t from, Batch& batch);
  void release(uint32_t from) { team_.ring(from, own_).release(); }
  uint32_t team_size() const { return team_.size(); }

 private:
  // In front of each frame in a ring.
  struct Record {
    Offload offload;
    uint32_t length;
    PortId in_port;
    PacketOrigin origin;
    DatagramHead head;
  };
  static constexpr size_t kFrame = (sizeof(Record) + kHeadroom + 7) & ~size_t{7};

  void offer_all(const Packet& packet, PacketOrigin origin);
  bool copy(uint32_t to, const Packet& packet, PacketOrigin origin);
  WorkerTeam& team_;
  uint32_t own_;
  Counters& counters_;
  uint64_t given_to_ = 0;  // a bit for each worker
};

}  // namespace sluice
