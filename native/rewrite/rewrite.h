// rewrite/: how a packet's bytes change, as a value. A Rewrite is made from a flow entry for each
// packet, applied once, and can be undone (law 7). Checksums are updated, never recomputed: a bad
// one stays bad, a partial one partial. Knows packets and header formats, holds no state.
#pragma once

#include <cstdint>

#include "packet/packet.h"
#include "rewrite/tcp_offsets.h"
#include "wire/address.h"

namespace sluice {

// Which parts of a Rewrite hold. The first five are those of XlatMask in bus/messages.def.
inline constexpr uint16_t kRewriteSrcAddress = 0x0001;
inline constexpr uint16_t kRewriteDstAddress = 0x0002;
inline constexpr uint16_t kRewriteSrcPort = 0x0004;
inline constexpr uint16_t kRewriteDstPort = 0x0008;
inline constexpr uint16_t kRewriteDscp = 0x0010;
inline constexpr uint16_t kRewriteSrcMac = 0x0100;
inline constexpr uint16_t kRewriteDstMac = 0x0200;
inline constexpr uint16_t kRewriteTcp = 0x0400;

// Plain data; a field counts only if its bit in `fields` is set. The addresses are of the packet's
// own IP version: nothing is translated between versions (TCPX-74).
struct Rewrite {
  uint16_t fields = 0;
  int8_t ttl_delta = 0;  // -1 where the engine routes, +1 to undo; the caller has seen that it fits
  uint8_t dscp = 0;      // 0..63; ECN bits are never touched (TCPX-70)
  L4Port src_port = 0;
  L4Port dst_port = 0;
  MacAddress src_mac;
  MacAddress dst_mac;
  IpAddress src;
  IpAddress dst;
  TcpOffsets tcp;

  bool has(uint16_t field) const { return (fields & field) != 0; }
  bool operator==(const Rewrite&) const = default;
};

// Rewrites the bytes of a packet that passed parse(). `packet.key` and `packet.headers` stay what
// was parsed: the key is the signature of the flow as it arrived, and no header moves.
//
// Ports are those of TCP and UDP, and what stands for them in an ICMP echo. Of other protocols only
// the IP header changes.
// A fragment behind the first one has no ports and no checksum to change: the first one's covers
// the addresses of all. Of an ARP message only the Ethernet addresses change.
void apply(const Rewrite& rewrite, Packet& packet);

// The reply direction's rewrite, for the flow whose packets carry `original` before `rewrite`: what
// comes back to the translated endpoints goes to the original ones. The TTL goes down both ways,
// the window shift is the inverse one, the MAC addresses are the next hop's and so the caller's.
Rewrite reply_of(const Rewrite& rewrite, const FlowKey& original);

// What restores `before` once `rewrite` was applied to it, all but what negated() names.
Rewrite undo_of(const Rewrite& rewrite, const Packet& before);

// Lowers the MSS option of a SYN to `mss`, never raises it (TCPX-20). For TCP packets that passed
// parse(); leaves segments without SYN or without the option alone.
void clamp_mss(Packet& packet, uint16_t mss);

}  // namespace sluice
