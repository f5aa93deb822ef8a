#pragma once

#include "packet/packet.h"

namespace sluice {

// Of packets that passed parse().

// Whether the L4 checksum is right or has no need to be: the kernel verified it, it is still open
// somewhere in the packet (TCPX-32), a UDP datagram over IPv4 does without, or the protocol has
// none that we know. Reads the whole packet unless one of these holds, so it is not for every
// packet: translated flows keep a bad checksum bad (TCPX-30), and only what makes the engine act on
// a packet of unknown origin asks here: a new flow (DFS-26), a message to the engine itself.
// Fragments, whose checksum covers the whole datagram, count as right.
bool l4_checksum_is_right(const Packet& packet);

// Finds out whether a checksum is open that nobody spoke of (Offload::checksum_unknown): the field
// of a kernel that leaves it to the device holds the sum of the pseudo-header. A right checksum may
// have the same value, once in 65536 packets; completing it then gives that value again.
void settle_checksum(Packet& packet);

// Writes SCTP's checksum where a kernel on this machine has left it to the device: no header of
// virtio-net tells the next port that it is a CRC. Reads the whole packet.
void complete_sctp_checksum(Packet& packet);

// Writes the checksum that was left open, over all bytes up to the end of the IP packet, and clears
// `needs_checksum`: for packets without GSO, towards a port that does not do it itself (TCPX-32).
void complete_checksum(Packet& packet);

// Leaves the checksum of TCP to the port: the bytes that it covers were changed, and it was right
// before.
void leave_tcp_checksum_open(Packet& packet);

// An urgent pointer that reaches behind the packet's own bytes tells of none: the packet that has
// them will point to them itself (RFC 6093 2.1). Where it is taken out the checksum is left open.
void keep_urgent_pointer_within(Packet& packet);

// Drops all but the first bytes of the payload of TCP, and what would tell of its end, or of what
// was dropped. Leaves the checksum open.
void keep_tcp_payload(Packet& packet, uint32_t bytes);

}  // namespace sluice
