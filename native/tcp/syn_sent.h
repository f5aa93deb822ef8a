#pragma once

#include "tcp/tcp.h"

namespace sluice {

// SEGMENT ARRIVES in SYN-SENT (RFC 9293 3.10.7.3).
TcpEvents syn_sent_arrives(TcpTurn& turn, Connection& c, const TcpSegment& segment);

}  // namespace sluice
