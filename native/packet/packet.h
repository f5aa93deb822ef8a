// packet/: the unit that the segment works on. A Packet is one Ethernet frame, possibly a GSO
// super-packet of up to 64 KB (law 6), and what is known about it. Knows header formats (wire/),
// not where packets come from or go to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "packet/flow_key.h"

namespace sluice {

using PortId = uint8_t;
inline constexpr PortId kNoPort = 0xff;
inline constexpr size_t kMaxPorts = 16;

// Free bytes that every packet has before `data`, for a virtio-net header or a VLAN tag.
inline constexpr size_t kHeadroom = 32;
// The largest frame that any port hands out or takes: a 64 KB IP packet and its Ethernet header
// with two VLAN tags.
inline constexpr size_t kMaxFrame = 65535 + 22;
inline constexpr size_t kBatchCapacity = 64;

enum class DropReason : uint8_t {
#define DROP_REASON(name, text) name,
#include "packet/drop_reasons.def"
#undef DROP_REASON
  count
};

// What is decided for a packet. Set once (law 9); `none` until then. A packet that waits for a
// decision or for a neighbour keeps `none` and gets its verdict when it goes on.
// `elsewhere`: a copy is with another worker, or with the fragments that wait for their first, and
// gets its verdict there.
enum class Verdict : uint8_t { none, forward, deliver, drop, elsewhere };

// How a packet came to the worker that has it.
enum class PacketOrigin : uint8_t {
  port,
  handed_over,  // by the worker whose port it came in by: its flow, or its datagram, is here
  assigned,     // a fragment, by the worker that has its datagram: its flow is here
  overheard,    // a neighbour message that the other worker answers and counts
  sender,       // of a frame that the other worker has, its Ethernet header alone
  own,          // a segment of our own connections
};

enum class GsoType : uint8_t { none, tcp4, tcp6, udp };

// The offload state of a frame, in the terms of the virtio-net header.
// Invariant: gso_type != none implies needs_checksum.
struct Offload {
  // The L4 checksum field holds only the (uncomplemented) sum of the pseudo-header; the sum over
  // bytes from checksum_start goes to checksum_start + checksum_offset. Both count from `data`.
  bool needs_checksum = false;
  // The kernel has verified the L4 checksum (TCPX-33). Never set from anything on the wire.
  bool checksum_verified = false;
  // A kernel on this machine may have left the checksum open without word of it: parse() sees to
  // it.
  bool checksum_unknown = false;
  bool gso_ecn = false;
  GsoType gso_type = GsoType::none;
  uint16_t checksum_start = 0;
  uint16_t checksum_offset = 0;
  uint16_t gso_size = 0;       // payload bytes of each wire segment
  uint16_t header_length = 0;  // Ethernet to end of L4 header; a hint, never trusted

  bool operator==(const Offload&) const = default;
};

// What the first fragment of a TCP segment says of the bytes of all.
struct FragmentedSegment {
  uint32_t seq = 0;
  uint16_t header = 0;  // bytes of the datagram before the first that has a number
  bool fin = false;     // behind the last
};

// Where the headers are, counted from `Packet::data`. Filled by the parse stage; valid where the
// packet was not dropped there.
struct Headers {
  uint16_t l3 = 0;
  uint16_t l4 = 0;
  uint16_t payload = 0;
  uint32_t end = 0;  // end of the IP packet: Ethernet padding is not payload (TCPX-77)
  uint16_t ether_type = 0;
  uint8_t family = 0;    // 4, 6, or 0 for what is not IP
  uint8_t protocol = 0;  // of the L4 header
  uint8_t tcp_flags = 0;
  bool fragment = false;         // any fragment but an atomic one
  bool headless = false;         // a fragment behind the first one, which alone has the L4 header
  bool has_key = false;          // `key` is the signature of a flow that could be, ports included
  uint16_t fragment_header = 0;  // of IPv6, where there is one
  bool echo_request = false;     // of ICMP or ICMPv6
  FragmentedSegment segment;     // of TCP in fragments, behind the first with the key's ports
};

struct Packet {
  uint8_t* data = nullptr;  // first byte of the Ethernet header
  uint32_t length = 0;      // bytes of the frame
  PortId in_port = kNoPort;
  PacketOrigin origin = PacketOrigin::port;
  Verdict verdict = Verdict::none;
  DropReason drop_reason = DropReason::count;
  Offload offload;
  Headers headers;
  FlowKey key;  // its ports as the parse stage found them, or as the first fragment said

  void drop(DropReason reason) {
    verdict = Verdict::drop;
    drop_reason = reason;
  }
  uint8_t* at(size_t offset) const { return data + offset; }
  // Frames on the wire that this packet stands for: more than one for a GSO super-packet.
  uint32_t wire_segments() const {
    if (offload.gso_type == GsoType::none || offload.gso_size == 0) return 1;
    const uint32_t payload = headers.end - headers.payload;
    return payload <= offload.gso_size ? 1 : (payload + offload.gso_size - 1) / offload.gso_size;
  }
  // Bytes of IP that one frame on the wire takes, the first of a super-packet.
  uint32_t wire_ip_length() const {
    if (wire_segments() == 1) return headers.end - headers.l3;
    return uint32_t{headers.payload} - headers.l3 + offload.gso_size;
  }
};

// The packets of one receive call. Their bytes belong to the port that filled the batch, until
// that port's release().
struct Batch {
  std::array<Packet, kBatchCapacity> packets;
  size_t count = 0;

  std::span<Packet> all() { return {packets.data(), count}; }
};

}  // namespace sluice
