#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace sluice {

enum class CaptureDirection : uint8_t { inbound = 1, outbound = 2 };  // as in epb_flags

// A frame as a capture file has it.
struct FrameRecord {
  uint32_t interface = 0;  // by its place among the interfaces
  uint64_t unix_nanoseconds = 0;
  CaptureDirection direction = CaptureDirection::inbound;
  ConstByteSpan bytes;       // what is kept of it
  uint32_t length = 0;       // of all of it
  uint64_t lost_before = 0;  // frames of the interface since its last one
};

// The blocks of a file in the pcapng format (draft-ietf-opsawg-pcapng), in the host's byte order:
// one section, its interfaces, frames, and for each interface how many there were. Each function
// writes one block to `room` and returns its size; the caller has seen to the room.
inline constexpr size_t kSectionBlock = 44;
inline constexpr size_t kStatisticsBlock = 52;
size_t interface_block_size(const std::string& name);
size_t frame_block_size(const FrameRecord& frame);

size_t write_section_block(ByteSpan room);
// `most_bytes`: as much of a frame is kept; 0 for all.
size_t write_interface_block(ByteSpan room, const std::string& name, uint32_t most_bytes);
size_t write_frame_block(ByteSpan room, const FrameRecord& frame);
size_t write_statistics_block(ByteSpan room, uint32_t interface, uint64_t unix_nanoseconds,
                              uint64_t received, uint64_t lost);

}  // namespace sluice
