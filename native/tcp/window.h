#pragma once

#include "tcp/tcp.h"

namespace sluice {

// Moves the right edge of what the peer may send as far as the connection's share of the buffers
// allows, never to the left (BUF-16), and not by less than is worth telling (RFC 9293 3.8.6.2.2).
// Returns the window field that says so. A SYN's is not scaled.
uint16_t advertise(const Tcp& tcp, Connection& c, bool syn);
// That of a SYN-ACK without a connection: what its connection may hold, whatever happens till then.
uint16_t window_without_state(const Tcp& tcp, uint8_t window_kib);

// Whether reading has made so much room that the peer should hear of it at once.
bool window_update_is_due(const Tcp& tcp, const Connection& c);

// The MSS that we offer on a link (RFC 9293 3.7.1, RFC 6691: options are not taken off).
uint16_t own_mss(uint16_t mtu, bool ipv6);
inline uint16_t own_mss(const Connection& c) { return own_mss(c.mtu, c.ipv6); }
// Payload of a full segment on this path: of what the peer offered, and what the link takes.
uint16_t payload_of(const Connection& c, uint16_t peer_mss);

// Gives the connection its part of the buffers, as many as are active now.
void renew_share(const Tcp& tcp, Connection& c);

}  // namespace sluice
