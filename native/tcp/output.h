#pragma once

#include "tcp/tcp.h"

namespace sluice {

// Sends what is lost, then what is new, as far as the windows allow (RFC 9293 3.8, RFC 5681), and
// an ACK where one is due and no data carried it. Leaves the timers as they should be. The one way
// out: called at the end of whatever may have changed something.
void output(TcpTurn& turn, Connection& c);

// A segment without data, now: an ACK, a RST (with ACK), a SYN or SYN-ACK. `seq` is its SEG.SEQ.
void send_control(TcpTurn& turn, Connection& c, Seq seq, uint8_t flags);
inline void send_ack(TcpTurn& turn, Connection& c) {
  send_control(turn, c, c.flow->snd_nxt, kTcpAck);
}
// An ACK in answer to what may be forged or is a loop in the making: at most one each half second
// for the connection, and a hundred for all (RFC 5961 7, TCPX-37).
void send_challenge_ack(TcpTurn& turn, Connection& c);

// Sends what a record describes once more, as much as one segment takes and `limit` allows.
void retransmit(TcpTurn& turn, Connection& c, SentPool::Handle handle, uint32_t limit);
// Sends new data, `length` bytes (and the FIN, where it is the turn of it).
bool send_new(TcpTurn& turn, Connection& c, uint32_t length);

// Bytes that are queued and were never sent.
uint32_t unsent(const Connection& c);
// Sequence numbers in the network, as far as we know (RFC 6675 `pipe`).
uint32_t pipe(const Connection& c, const Sender& sender);
// What the peer's window has room for.
uint32_t usable_window(const Connection& c);

}  // namespace sluice
