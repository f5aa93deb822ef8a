#pragma once

#include "tcp/tcp.h"

namespace sluice {

// Whether the connection still is there.
enum class Taken : bool { alive, ended };

// Seventh of RFC 9293 3.10.7.4: the segment's text, as far as it lies in the window and is new.
Taken take_text(TcpTurn& turn, Connection& c, const TcpSegment& segment, TcpEvents& events);
// Eighth: the FIN, in its turn.
Taken take_fin(TcpTurn& turn, Connection& c, const TcpSegment& segment, TcpEvents& events);
// Of a segment that lies, or begins, before rcv_nxt: the next ACK names it (RFC 2883 4.1).
void note_duplicate(Connection& c, const TcpSegment& segment);

}  // namespace sluice
