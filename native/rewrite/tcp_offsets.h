#pragma once

#include <cstdint>

#include "wire/checksum.h"
#include "wire/tcp.h"

namespace sluice {

// What is added to the TCP fields of one direction, modulo 2^32. Sequence, acknowledgement and
// clock maps of a direction stand in one value and are applied together: no segment leaves with the
// new map of one and the old map of another (TCPX-24).
struct TcpOffsets {
  uint32_t seq = 0;
  uint32_t ack = 0;  // also of SACK edges
  uint32_t tsval = 0;
  uint32_t tsecr = 0;
  int8_t window_shift = 0;        // positive left, saturating at 65535; negative right
  int8_t reply_window_shift = 0;  // of the other direction, which has a scale of its own (TCPX-14)
  bool strip_sack = false;  // blank with NOPs, towards a peer that did not agree to the option
  bool strip_timestamps = false;

  bool operator==(const TcpOffsets&) const = default;
};

// The offsets of the other direction (requirements 2.3): what one direction adds to its sequence
// numbers, the other takes from its acknowledgements. What is stripped one way is stripped both.
TcpOffsets mirrored(const TcpOffsets& offsets);

// The offsets that take these back from the same segment. Two things are lost for good: options
// that were stripped, and the bits of a window that a shift pushed out or saturated.
TcpOffsets negated(const TcpOffsets& offsets);

// Changes the segment and adds to `delta` what that does to its checksum.
void apply_tcp_offsets(const TcpOffsets& offsets, TcpHeader tcp, ChecksumDelta& delta);

}  // namespace sluice
