#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "packet/packet.h"

namespace sluice {

// The header that TAP and AF_PACKET put before each frame to say what is left to do on it
// (VIRTIO 1.2, 5.1.6), in the byte order of the host: 12 bytes, or 10 without num_buffers.
inline constexpr size_t kVirtioHeaderSize = 12;
inline constexpr size_t kLegacyVirtioHeaderSize = 10;
static_assert(kVirtioHeaderSize + 4 <= kHeadroom, "header and a VLAN tag fit before a frame");

// Reads the state of a frame of `frame_length` bytes. Returns false, and leaves the state of an
// ordinary frame, for a header that contradicts itself or points outside the frame: a checksum
// that was partial is then simply wrong, and stays so. `header` has at least 10 bytes.
bool read_virtio_header(ConstByteSpan header, size_t frame_length, Offload& offload);

// Writes the state of a frame. `header` has 10 or 12 bytes.
void write_virtio_header(const Offload& offload, size_t frame_length, ByteSpan header);

}  // namespace sluice
