#include "port/virtio_header.h"

#include <algorithm>
#include <cstring>

namespace sluice {
namespace {

// struct virtio_net_hdr (VIRTIO 1.2, 5.1.6). <linux/virtio_net.h> does not compile as C++.
struct VirtioHeader {
  uint8_t flags;
  uint8_t gso_type;
  uint16_t header_length;
  uint16_t gso_size;
  uint16_t checksum_start;
  uint16_t checksum_offset;
};
static_assert(sizeof(VirtioHeader) == kVirtioHeaderSize);

constexpr uint8_t kNeedsChecksum = 1;  // VIRTIO_NET_HDR_F_NEEDS_CSUM
constexpr uint8_t kDataValid = 2;      // VIRTIO_NET_HDR_F_DATA_VALID
constexpr uint8_t kGsoNone = 0;
constexpr uint8_t kGsoTcp4 = 1;
constexpr uint8_t kGsoTcp6 = 4;
constexpr uint8_t kGsoUdp = 5;     // VIRTIO_NET_HDR_GSO_UDP_L4, Linux 6.2
constexpr uint8_t kGsoEcn = 0x80;  // beside one of the TCP types

constexpr size_t kEthernetHeaderSize = 14;
// The largest TCP header (RFC 9293 3.1, data offset 15).
constexpr size_t kMaxL4Header = 60;

bool read_checksum(const VirtioHeader& header, size_t frame_length, Offload& offload) {
  offload.checksum_start = header.checksum_start;
  offload.checksum_offset = header.checksum_offset;
  offload.needs_checksum = true;
  return header.checksum_start >= kEthernetHeaderSize &&
         size_t{header.checksum_start} + header.checksum_offset + 2 <= frame_length;
}

// Fails for types that we never asked for, such as UDP fragmentation, and for super-packets whose
// checksum is complete: their segments could not be given theirs.
bool read_gso(const VirtioHeader& header, size_t frame_length, Offload& offload) {
  switch (header.gso_type & ~kGsoEcn) {
    case kGsoNone: return true;
    case kGsoTcp4: offload.gso_type = GsoType::tcp4; break;
    case kGsoTcp6: offload.gso_type = GsoType::tcp6; break;
    case kGsoUdp: offload.gso_type = GsoType::udp; break;
    default: return false;
  }
  // CWR is a flag of TCP.
  offload.gso_ecn = (header.gso_type & kGsoEcn) != 0 && offload.gso_type != GsoType::udp;
  offload.gso_size = header.gso_size;
  offload.header_length =
      static_cast<uint16_t>(std::min<size_t>(header.header_length, frame_length));
  return offload.needs_checksum && offload.gso_size > 0;
}

uint8_t gso_type_of(const Offload& offload) {
  const uint8_t ecn = offload.gso_ecn ? kGsoEcn : 0;
  switch (offload.gso_type) {
    case GsoType::none: return kGsoNone;
    case GsoType::tcp4: return kGsoTcp4 | ecn;
    case GsoType::tcp6: return kGsoTcp6 | ecn;
    case GsoType::udp: return kGsoUdp;
  }
  return kGsoNone;
}

// How much the kernel lays out in one piece: the headers. Zero would mean all 64 KB.
uint16_t header_length_of(const Offload& offload, size_t frame_length) {
  const size_t most = std::min(offload.checksum_start + kMaxL4Header, frame_length);
  const bool plausible =
      offload.header_length > offload.checksum_start && offload.header_length <= most;
  return static_cast<uint16_t>(plausible ? offload.header_length : most);
}

}  // namespace

bool read_virtio_header(const uint8_t* header, size_t frame_length, Offload& offload) {
  VirtioHeader fields;
  std::memcpy(&fields, header, sizeof fields);
  offload = {};
  const bool partial = (fields.flags & kNeedsChecksum) != 0;
  if ((partial && !read_checksum(fields, frame_length, offload)) ||
      !read_gso(fields, frame_length, offload)) {
    offload = {};
    return false;
  }
  offload.checksum_verified = !partial && (fields.flags & kDataValid) != 0;
  return true;
}

// F_DATA_VALID is never written: whoever takes the frame verifies it as a frame from the wire.
void write_virtio_header(const Offload& offload, size_t frame_length, uint8_t* header) {
  VirtioHeader fields{};
  if (offload.needs_checksum) {
    fields.flags = kNeedsChecksum;
    fields.checksum_start = offload.checksum_start;
    fields.checksum_offset = offload.checksum_offset;
  }
  if (offload.gso_type != GsoType::none) {
    fields.gso_type = gso_type_of(offload);
    fields.gso_size = offload.gso_size;
    fields.header_length = header_length_of(offload, frame_length);
  }
  std::memcpy(header, &fields, sizeof fields);
}

}  // namespace sluice
