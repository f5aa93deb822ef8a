#pragma once

#include <cstddef>
#include <cstdint>

#include "packet/packet.h"

namespace sluice {

// Cuts a GSO super-packet into the frames that the kernel or the device would have cut it into
// (TCPX-34), one for each call, so that the caller needs no more scratch memory than it sends at
// once:
//
//   Segmenter segmenter(packet, Segmenter::Checksums::complete);
//   while (segmenter.remaining() > 0) {
//     uint8_t* buffer = ...segmenter.piece_size() bytes, kHeadroom free bytes before them...
//     segmenter.next(buffer, piece);
//   }
//
// The super-packet has passed parse(), is already rewritten, stays as it is, and outlives this.
class Segmenter {
 public:
  // What the port that the pieces go to needs: `partial` leaves the L4 checksums to it.
  enum class Checksums { complete, partial };

  Segmenter(const Packet& super, Checksums checksums);

  // Pieces still to come.
  size_t remaining() const { return remaining_; }
  // The size of the largest piece.
  size_t piece_size() const;
  // Writes the next piece to `buffer` and describes it in `piece`: bytes, headers and offload state
  // of its own, the rest as in the super-packet. Call while remaining() > 0.
  void next(uint8_t* buffer, Packet& piece);

 private:
  size_t payload_size() const { return super_.headers.end - super_.headers.payload; }
  void write_ip(Packet& piece) const;
  void write_tcp(Packet& piece) const;
  void write_partial_checksum(Packet& piece) const;

  const Packet& super_;
  const Checksums checksums_;
  size_t remaining_;
  size_t index_ = 0;   // of the next piece
  size_t offset_ = 0;  // of its payload in the payload of the super-packet
};

}  // namespace sluice
