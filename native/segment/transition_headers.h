#pragma once

#include "packet/packet.h"
#include "tcp/tcp_segment.h"

namespace sluice {

// What becomes of the header of a packet that passes while its pair is in transition: it speaks for
// bytes of the engine's and for bytes of the other end's (requirements 3.3, 3.4). Of whole packets
// with a right checksum; all that is changed leaves it open.

// What a segment tells us of our own bytes, those before `boundary`, as one without any of its own.
TcpSegment acknowledgement_before(const TcpSegment& segment, Seq boundary, Seq rcv_nxt);

// Leaves of an acknowledgement before `boundary` what it tells of the bytes from there on: we have
// acknowledged those before it, and the right edge of the window stays where it is (3.3 rule 3).
// Whether any SACK block is left.
bool clamp_acknowledgement(Packet& packet, Seq boundary, uint8_t scale);

// Takes out what the receiver reports of bytes before the boundary that it has got twice (RFC
// 2883): whoever did not send them twice doubts it, and counts a fault.
void cut_reports_before(Packet& packet, Seq boundary);

// Lets the window reach as far as `edge`, as far as its field can tell.
void raise_window(Packet& packet, Seq edge, uint8_t scale);

// What is echoed is neither older nor newer than that.
void clamp_echo(Packet& packet, uint32_t oldest, uint32_t newest);

// Gives it another number.
void renumber(Packet& packet, Seq seq);

}  // namespace sluice
