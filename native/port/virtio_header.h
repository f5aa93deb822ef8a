#pragma once

#include <cstddef>
#include <cstdint>

#include "packet/packet.h"

namespace sluice {

// The header that TAP and AF_PACKET put before each frame to say what is left to do on it
// (VIRTIO 1.2, 5.1.6), in the byte order of the host. Without num_buffers, which none of them
// uses: an AF_PACKET ring has no other size, whatever PACKET_VNET_HDR_SZ says.
inline constexpr size_t kVirtioHeaderSize = 10;
static_assert(kVirtioHeaderSize + 4 <= kHeadroom, "header and a VLAN tag fit before a frame");

// Reads the state of a frame of `frame_length` bytes. Returns false, and leaves the state of an
// ordinary frame, for a header that contradicts itself or points outside the frame: a checksum
// that was partial is then simply wrong, and stays so. `header` has kVirtioHeaderSize bytes.
bool read_virtio_header(const uint8_t* header, size_t frame_length, Offload& offload);

// Writes the state of a frame. `header` has room for kVirtioHeaderSize bytes.
void write_virtio_header(const Offload& offload, size_t frame_length, uint8_t* header);

}  // namespace sluice
