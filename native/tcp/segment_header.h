#pragma once

#include <array>
#include <cstdint>

#include "tcp/segment_sink.h"
#include "tcp/tcp_segment.h"

namespace sluice {

// What stands in the header of a segment to be sent.
struct SegmentHeader {
  Seq seq, ack;
  uint8_t flags = 0;
  uint16_t window = 0;
  // Options of a SYN: 0, or kNoWindowScale, is none.
  uint16_t mss = 0;
  uint8_t window_scale = kNoWindowScale;
  bool sack_permitted = false;
  bool has_timestamps = false;
  uint8_t sack_count = 0;
  uint32_t tsval = 0;
  uint32_t tsecr = 0;
  std::array<SackBlock, kMostSackBlocks> sack;

  // Bytes of the header, a multiple of four.
  size_t write(uint8_t* at) const;
};

// Sends a segment that has no payload. `tos` as OutgoingSegment has it.
void send_alone(SegmentSink& sink, LegIndex leg, const SegmentHeader& header, uint8_t tos);

// Options that every segment of a connection with timestamps carries (RFC 7323 appendix A).
inline constexpr size_t kTimestampsSize = 12;
// SACK blocks that fit beside what else the header has (RFC 2018 3).
constexpr size_t sack_blocks_that_fit(bool timestamps) { return timestamps ? 3 : 4; }

}  // namespace sluice
