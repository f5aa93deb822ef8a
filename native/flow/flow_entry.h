// flow/: what the segment remembers of each flow, and how it finds it again. Holds state and time
// stamps; moves no packets, reads no clock, knows no bus.
#pragma once

#include <array>
#include <cstdint>

#include "timer/timer_wheel.h"
#include "wire/address.h"

namespace sluice {

// A plain flow is a pair of legs. A leg is one flow entry: what arrives from one side, and how it
// leaves on the other. Legs 2n and 2n+1 are the client's and the server's of pair n.
using LegIndex = uint32_t;
using PairIndex = uint32_t;
inline constexpr LegIndex kNoLeg = 0xffffffff;
inline constexpr PairIndex kNoPair = 0xffffffff;

inline constexpr LegIndex client_leg(PairIndex pair) { return pair * 2; }
inline constexpr LegIndex server_leg(PairIndex pair) { return pair * 2 + 1; }
inline constexpr LegIndex other_leg(LegIndex leg) { return leg ^ 1; }
inline constexpr PairIndex pair_of(LegIndex leg) { return leg >> 1; }
inline constexpr bool is_client_leg(LegIndex leg) { return (leg & 1) == 0; }

// What TCP has shown of the sender of a leg. `flags` in the low half; in the high half its window
// scale, kNoScale where it offered none.
struct LegTcpState {
  static constexpr uint8_t kSeen = 1;      // seq_end is valid
  static constexpr uint8_t kAcked = 2;     // acked is valid
  static constexpr uint8_t kFin = 4;       // its FIN was accepted; seq_end counts it and is frozen
  static constexpr uint8_t kFinAcked = 8;  // and the other side acknowledged it
  static constexpr uint8_t kNoScale = 15;
  static constexpr uint8_t kLargestScale = 14;  // RFC 7323 2.3

  uint8_t bits = kNoScale << 4;

  bool has(uint8_t flags) const { return (bits & flags) == flags; }
  void set(uint8_t flags) { bits |= flags; }
  uint8_t scale() const { return bits >> 4; }
  void set_scale(uint8_t scale) { bits = static_cast<uint8_t>((bits & 0x0f) | (scale << 4)); }
};

struct LegFlags {
  static constexpr uint8_t kIpv6 = 1;     // the addresses stand in the second line, FlowAddresses
  static constexpr uint8_t kEntered = 2;  // the table's index names this leg
  static constexpr uint8_t kOffsets = 4;  // the pair has TcpOffsets to apply
  static constexpr uint8_t kSetDscp = 8;  // the pair's `dscp` replaces the packet's
  static constexpr uint8_t kDecrementTtl = 16;
  static constexpr uint8_t kAnyDscp = 32;    // the DSCP of what arrives does not matter
  static constexpr uint8_t kOtherL4 = 64;    // neither TCP nor UDP: translate() does not know it
  static constexpr uint8_t kSwitched = 128;  // the pair has an OffsetSwitch
};

// A TcpFlow (tcp/tcp_flow.h), which is nobody's business here.
using TcpWords = std::array<uint32_t, 6>;

// What a leg holds while the engine runs TCP for it.
struct OwnLeg {
  TcpWords tcp;
  uint32_t connection;  // the connection block (BlockPool::Handle)
};

// One leg: 64 bytes, one cache line, all that an IPv4 packet of the flow needs. Addresses and L4
// ports are in network order, as on the wire. Written by the worker that owns the table, only.
struct alignas(64) FlowEntry {
  // The signature of the packets that arrive (DFS-01). IPv6: addresses in FlowAddresses.
  uint32_t src_v4;
  uint32_t dst_v4;
  uint16_t src_port;
  uint16_t dst_port;
  uint8_t protocol;
  uint8_t dscp;
  LegTcpState tcp;
  uint8_t flags;  // LegFlags

  union {
    // Of a leg that is translated or waits, or hands datagrams to a socket.
    struct {
      // What the packets become.
      uint32_t new_src_v4;
      uint32_t new_dst_v4;
      uint16_t new_src_port;
      uint16_t new_dst_port;

      uint32_t seq_end;  // end of the highest sequence range that the sender sent
      uint32_t acked;    // highest acknowledgement that the sender sent
      uint32_t detail;   // what the pair's mode needs beside: the client's leg its place in the
                         // queue, the server's leg of a variant the pair of its session, one of
                         // UDP of the engine's own its socket, one of TCP that is spliced the
                         // highest timestamp that its sender sent
      Tick last_seen;
    };
    // Of a leg that the engine runs TCP for (FlowClass::own).
    OwnLeg own;
  };
  uint16_t next_hop = 0xffff;  // a reference into the neighbour table, or kNoNextHop
  uint16_t window;  // from `acked` to the furthest edge that the sender offered, unscaled

  uint64_t packets;  // on the wire: a super-packet counts its segments (STAT-07)
  uint64_t bytes;    // IP bytes of those
};
static_assert(sizeof(FlowEntry) == 64, "a plain IPv4 packet touches one cache line of its flow");

// The second line of an IPv6 leg; never touched for IPv4.
struct alignas(64) FlowAddresses {
  IpAddress src, dst, new_src, new_dst;
};
static_assert(sizeof(FlowAddresses) == 64, "an IPv6 leg takes two cache lines");

// The modes of a pair (docs/architecture.md).
//   free       not in use: nothing may be read
//   waiting    the client's leg is entered; its packets are queued until a REPLY
//   translate  both legs are entered; packets are rewritten and sent on
//   discard    the client's leg is entered; its packets are dropped
//   reset      the client's leg is entered; its segments are answered by RST, others by ICMP
//   unreachable  the client's leg is entered; its packets are answered by ICMP
//   proxied    each leg that is entered is one of the engine's own: it runs TCP for it, or hands
//              datagrams to a socket
//   splice     two such legs, whose packets are rewritten and sent on for now
//   over       no leg is entered; both may be read until the batch in hand has left
enum class PairMode : uint8_t {
  free,
  waiting,
  translate,
  discard,
  reset,
  unreachable,
  proxied,
  splice,
  over
};

// Which time-out a pair is under. One timer wheel each, so that each class can give up its oldest.
// `untracked`: a protocol whose beginning and end nobody follows: all but TCP. `own`: pairs of the
// engine's own connections, which are timed elsewhere. `spliced`: such pairs that others run for
// now. `datagrams`: pairs of UDP that the engine ends.
enum class FlowClass : uint8_t {
  waiting,
  opening,
  established,
  closing,
  untracked,
  refused,
  linger,
  own,
  spliced,
  datagrams
};
inline constexpr int kFlowClasses = 10;

// What both legs of a flow share and a packet rarely needs.
struct FlowPair {
  static constexpr uint16_t kOutbound = 1;    // opened from the internal side
  static constexpr uint16_t kHalfFlow = 2;    // return traffic does not pass here
  static constexpr uint16_t kUnreported = 4;  // its DELETE still waits for room in the ring
  // Decided, but there was no way to carry it out: it is over, or waits for another decision, or
  // was refused for want of one.
  static constexpr uint16_t kNotEntered = 8;
  // A session whose DSCP changes is several flows (DFS-03). Its first one has the way back and
  // follows TCP for all; the variants have a client's leg only.
  static constexpr uint16_t kVariant = 16;
  static constexpr uint16_t kHasVariants = 32;
  static constexpr uint16_t kDoomed = 64;  // a RESET came after it
  // The server's FIN did not acknowledge the client's: TIME-WAIT is the server's (RFC 9293 3.6).
  static constexpr uint16_t kServerWaits = 128;
  // Its packets pass between stations of the bridge as they are.
  static constexpr uint16_t kBridged = 256;
  // One of the engine's own connections that the control segment was asked about: it is told of
  // what becomes of it, as of any flow (HS-24).
  static constexpr uint16_t kAsked = 512;
  // Its legs are, or were, the engine's own: sockets know of it, the control segment only where it
  // was asked.
  static constexpr uint16_t kOwn = 1024;
  // Spliced, or about to be proxied again, but for bytes that are still the other's.
  static constexpr uint16_t kInTransition = 2048;
  // Spliced for so many bytes.
  static constexpr uint16_t kCounted = 4096;
  // Spliced, and an end may still report duplicates of what the engine has sent it itself.
  static constexpr uint16_t kReported = 8192;

  uint32_t serial;  // of every message about this flow (SSMB-11, 12)
  Tick opened;
  uint16_t vs;
  uint16_t node;
  uint16_t idle_seconds;  // 0: that of the class
  uint16_t flags;
  PairMode mode;
  FlowClass flow_class;
  uint8_t dscp;
  uint8_t end_reason;  // EndReason of the bus, once it has ended
};
static_assert(sizeof(FlowPair) <= 20);

inline bool is_own(const FlowPair& pair) { return (pair.flags & FlowPair::kOwn) != 0; }

}  // namespace sluice
