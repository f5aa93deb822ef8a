#pragma once

#include "tcp/tcp.h"

namespace sluice {

// When timers_expire() has something to do for this connection; Instant::never() if nothing. The
// owner arms its wheel by it after each call.
Instant deadline(const Connection& c);

// Does what is due (RFC 9293 3.10.8). Early calls do nothing.
TcpEvents timers_expire(TcpTurn& turn, Connection& c);

// Arms or disarms the retransmission timer, as what is in flight and what waits asks for.
void arm_retransmission(TcpTurn& turn, Connection& c);
// New data was acknowledged: counts from now on (RFC 6298 5.3).
void restart_retransmission(Connection& c);
// RACK waits until then for what may only have been overtaken.
void await_reordering(Connection& c, Instant until);
// The timer of the SYN or SYN-ACK that was just sent.
void arm_handshake(TcpTurn& turn, Connection& c);
// Keep-alive, or the end of FIN-WAIT-2, whichever the state asks for.
void arm_idle(TcpTurn& turn, Connection& c);

}  // namespace sluice
