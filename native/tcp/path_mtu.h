#pragma once

#include "tcp/tcp.h"

namespace sluice {

// An ICMP error says that a packet with the segment that begins at `quoted` was too large for a
// link that takes `mtu` bytes; 0 where it did not say. Believed only of what is in flight (RFC
// 5927 4), and never below 552 or 1280 (RFC 1191 3, RFC 8201 4); what was too large goes again at
// once, and the congestion window stays as it is.
void packet_was_too_big(TcpTurn& turn, Connection& c, Seq quoted, uint16_t mtu);

// Full segments get through no more and smaller ones may (RFC 4821 7.7, RFC 8899): steps down.
void suspect_black_hole(TcpTurn& turn, Connection& c);

}  // namespace sluice
