#pragma once

#include "tcp/tcp.h"

namespace sluice {

// SEGMENT ARRIVES (RFC 9293 3.10.7.3 and 3.10.7.4), for a connection that is neither CLOSED nor in
// TIME-WAIT. Checksum and L4 ports are right. Answers, sends what may go, arms timers.
TcpEvents segment_arrives(TcpTurn& turn, Connection& c, const TcpSegment& segment);

}  // namespace sluice
