#pragma once

#include <cstddef>
#include <cstdint>

#include "packet/packet.h"

namespace sluice {

// Whether a router may cut a parsed packet where a link is too small for it: IPv4, without DF.
bool may_be_fragmented(const Packet& packet);

// Cuts an IPv4 packet into fragments for a link (RFC 791 3.2), one for each call:
//
//   Fragmenter fragmenter(packet, mtu);
//   while (fragmenter.remaining() > 0) fragmenter.next(buffer, piece);
//
// Each keeps the identification, which is one of a datagram that may be cut (RFC 6864 4.3); what
// was a fragment already is cut further. The packet has passed parse(), is already rewritten, has
// its checksum complete and is none of GSO; it stays as it is, and outlives this.
class Fragmenter {
 public:
  // `mtu` takes a header with 8 bytes at least.
  Fragmenter(const Packet& whole, uint16_t mtu);

  // Bytes of the payload still to come.
  size_t remaining() const { return size_ - offset_; }
  // Writes the next fragment to `buffer`, which has room for a frame of the MTU and kHeadroom bytes
  // before it, and describes it in `piece`.
  void next(uint8_t* buffer, Packet& piece);

 private:
  size_t write_header(uint8_t* ip) const;

  const Packet& whole_;
  const uint16_t mtu_;
  const size_t size_;  // of the payload
  size_t offset_ = 0;  // in the payload, of the next fragment
};

}  // namespace sluice
