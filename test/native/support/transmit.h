#pragma once

#include <vector>

#include "base/random.h"
#include "port/port.h"
#include "support/frame.h"

namespace sluice::test {

using Bytes = std::vector<uint8_t>;

inline Bytes random_bytes(Random& random, size_t length) {
  Bytes bytes(length);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next());
  return bytes;
}

inline Bytes bytes_of(const Packet& packet) { return {packet.data, packet.data + packet.length}; }

// Sends the frames in one batch, all with this offload state; returns how many were accepted.
inline size_t transmit(Port& port, Instant now, const std::vector<Bytes>& frames,
                       const Offload& offload = {}) {
  std::vector<Frame> owners;
  std::vector<Packet> packets;
  std::vector<Packet*> pointers;
  for (const Bytes& bytes : frames) owners.emplace_back(bytes, offload);
  for (Frame& owner : owners) packets.push_back(owner.packet());
  for (Packet& packet : packets) pointers.push_back(&packet);
  return port.transmit(now, pointers);
}

}  // namespace sluice::test
