#pragma once

#include <cstdint>
#include <cstring>

#include "packet/packet.h"
#include "wire/address.h"

namespace sluice {

// Which of several workers a packet belongs to: a hash of the endpoint that a flow has in common on
// both sides of a translation, the client's. Keyed, so that clients cannot all pick one worker. The
// kernel computes the same where a program may steer (port/steering_program.h).
class Steering {
 public:
  Steering(uint64_t seed, uint32_t workers) : key_(seed | 1), workers_(workers) {}

  uint32_t workers() const { return workers_; }
  // Of an address and an L4 port; 0 for the port where a packet has none.
  uint32_t worker_of(const IpAddress& address, L4Port port) const {
    uint64_t high, low;
    std::memcpy(&high, address.bytes.data(), 8);
    std::memcpy(&low, address.bytes.data() + 8, 8);
    uint64_t mixed = ((high * kMultiplier ^ low) + port) * key_;
    mixed = (mixed ^ mixed >> 32) * kMultiplier;
    // Of what a program says, TAP looks at 16 bits.
    return static_cast<uint32_t>(mixed >> 48) % workers_;
  }
  // Of a parsed IP packet: by its source where it is `for_us`, that is, for an address that we own,
  // and else by its destination.
  uint32_t worker_of(const Packet& packet, bool for_us) const {
    const FlowKey& key = packet.key;
    if (for_us) return worker_of(key.src, packet.headers.has_ports ? key.src_port : L4Port{0});
    return worker_of(key.dst, packet.headers.has_ports ? key.dst_port : L4Port{0});
  }

  uint64_t key() const { return key_; }
  static constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15;

 private:
  uint64_t key_;
  uint32_t workers_;
};

}  // namespace sluice
