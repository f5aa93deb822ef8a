#pragma once

#include "tcp/tcp.h"

namespace sluice {

// What an ACK said about the data in flight.
struct Delivery {
  uint32_t acked = 0;                     // bytes by which snd_una advanced
  uint32_t delivered = 0;                 // bytes newly known to have arrived, SACK included
  bool original = false;                  // of them some that were sent only once
  bool retransmitted = false;             // and some that were sent again
  bool dsack = false;                     // the peer got something twice (RFC 2883)
  Instant first_sent = Instant::never();  // of what was sent once, the first
  Instant last_sent;                      // and the last
};

// Takes in what `segment` acknowledges (its ACK is acceptable): drops and marks records, measures,
// finds losses, and brings the congestion window to what follows from that. Sends nothing.
// `window_before` is snd_wnd as it was before this segment.
Delivery take_acknowledgement(TcpTurn& turn, Connection& c, const TcpSegment& segment,
                              uint32_t window_before);
// The first half of it: what is gone from the scoreboard, and the round-trip time.
Delivery mark_delivered(TcpTurn& turn, Connection& c, const TcpSegment& segment,
                        uint32_t window_before);

// The retransmission timer went off: RFC 6298 5.4 and 5.5, RFC 5681 3.1, RFC 8985 6.3.
void begin_loss(TcpTurn& turn, Connection& c);
// RACK's reordering timer went off.
void reordering_is_over(TcpTurn& turn, Connection& c);
// RFC 8985 7.3: the last segment in flight, again.
void retransmit_last(TcpTurn& turn, Connection& c);
// RFC 3168 6.1.2: the peer echoes a CE mark.
void congestion_echoed(Connection& c, Sender& sender);

}  // namespace sluice
