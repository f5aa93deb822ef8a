#pragma once

#include "flow/offer_limits.h"
#include "rewrite/tcp_offsets.h"
#include "segment/flows.h"
#include "tcp/connection.h"

namespace sluice {

// What two connections come to where their ends go on with each other (requirements 3.3). `client`
// is the connection that the engine has with the client.

// SpliceBlock: what of two open connections is in the way, none where nothing is.
uint8_t block_between(const Connection& client, const Connection& server);

// What a server's handshake has shown that stands in the way of a splice with the client's: the
// options that only the client has agreed on, and the largest segment that the server takes.
OfferLimits limits_shown(const Connection& client, const Connection& server);

// The right edge that the sender behind `to` would be told if the receiver behind `from` told it
// his own: what is lost to scaling is no room (TCPX-15).
Seq edge_across(const Connection& from, const Connection& to);

// What is added to the headers of the client's packets.
TcpOffsets offsets_between(const Connection& client, const Connection& server, Instant now);

// What the peer of a connection has shown. `behind`: what is taken from this connection's numbers
// to get the client's.
Flows::Shown shown_by(const Connection& c, Seq seq_end, uint32_t behind);

}  // namespace sluice
