#pragma once

#include <cstdint>
#include <cstring>

#include "packet/packet.h"
#include "wire/address.h"

namespace sluice {

// The end of a packet's way whose endpoint both directions of a flow have in common.
enum class SteerBy : uint8_t { source, destination };

// By what packets to others than the engine are steered that come in by a port. What comes from
// outside comes from the flow's far end, what servers send goes there; a port that both may be
// behind gets the latter.
constexpr SteerBy steering_of_port(bool internal, bool another_is_internal) {
  return another_is_internal && !internal ? SteerBy::source : SteerBy::destination;
}

// Which of several workers a packet belongs to: a hash of the endpoint that a flow has in common on
// both sides of a translation: the client's, or the server's outside for flows that begin inside.
// Keyed, so that nobody can pick one worker for many. The kernel computes the same where a program
// may steer (port/steering_program.h).
class Steering {
 public:
  Steering(uint64_t seed, uint32_t workers) : key_(seed | 1), workers_(workers) {}

  uint32_t workers() const { return workers_; }
  // Of an address and an L4 port; 0 for the port where a packet has none.
  uint32_t worker_of(const IpAddress& address, L4Port port) const {
    uint64_t high, low;
    std::memcpy(&high, address.bytes.data(), 8);
    std::memcpy(&low, address.bytes.data() + 8, 8);
    uint64_t mixed = (high ^ key_) * kMultiplier;
    mixed = ((mixed ^ low) * key_ + port) * key_;
    mixed = (mixed ^ mixed >> 32) * kMultiplier;
    // Of what a program says, TAP looks at 16 bits.
    return static_cast<uint32_t>(mixed >> 48) % workers_;
  }
  // Of a parsed IP packet with that key, which a fragment has from its first one. One to an address
  // of ours is steered by its source, wherever it comes from.
  uint32_t worker_of(const FlowKey& key, SteerBy by) const {
    return by == SteerBy::source ? worker_of(key.src, key.src_port)
                                 : worker_of(key.dst, key.dst_port);
  }

  // Where the kernel brings it: fragments, of which only the first has ports, by their addresses,
  // so that those of a datagram meet.
  uint32_t worker_of_arrival(const Packet& packet, SteerBy by) const {
    if (!packet.headers.fragment) return worker_of(packet.key, by);
    return worker_of(by == SteerBy::source ? packet.key.src : packet.key.dst, L4Port{0});
  }

  uint64_t key() const { return key_; }
  static constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15;

 private:
  uint64_t key_;
  uint32_t workers_;
};

}  // namespace sluice
