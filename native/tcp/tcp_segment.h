#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "packet/packet.h"
#include "wire/seq.h"
#include "wire/tcp.h"

namespace sluice {

// Bytes from `start` to before `end`.
struct SackBlock {
  Seq start, end;
  bool operator==(const SackBlock&) const = default;
};
inline constexpr size_t kMostSackBlocks = 4;
inline constexpr uint8_t kNoWindowScale = 15;

// A segment that has arrived, in the terms of RFC 9293 3.10.7. Options that nobody knows, or whose
// length is wrong, are not in it (TCPX-09).
struct TcpSegment {
  Seq seq, ack;
  uint8_t flags = 0;
  uint8_t ecn = 0;      // of the IP header
  uint16_t window = 0;  // as on the wire
  ConstByteSpan payload;
  uint16_t merged_size = 0;  // payload of each segment on the wire, where several came as one

  uint16_t mss = 0;  // 0: not told
  uint8_t window_scale = kNoWindowScale;
  bool sack_permitted = false;
  bool has_timestamps = false;
  uint8_t sack_count = 0;
  uint32_t tsval = 0;
  uint32_t tsecr = 0;
  std::array<SackBlock, kMostSackBlocks> sack;

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
  // SEG.LEN: what it takes of the sequence space.
  uint32_t length() const {
    return static_cast<uint32_t>(payload.size()) + has(kTcpSyn) + has(kTcpFin);
  }
  Seq end() const { return seq + length(); }
};

// Of a packet that passed parse(), is TCP and whole. The payload stays where it is.
TcpSegment read_segment(const Packet& packet);

}  // namespace sluice
