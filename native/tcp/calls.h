#pragma once

#include <optional>

#include "tcp/tcp.h"

namespace sluice {

// The calls of RFC 9293 3.10.1 to 3.10.6, for whoever reads and writes the bytes.

// How another connection was opened, which this one is to be like: so that its segments could be
// sent on by this one's with as little change as there can be (requirements 3.2, HS-21, TCPX-14).
struct Likeness {
  std::optional<Seq> iss;    // none: our own
  uint8_t options = 0;       // of TcpFlow: no other is offered
  uint8_t window_scale = 0;  // where that is one of them; less where shares are too small for it
  uint16_t mss = 0;          // no larger one is offered, nor one below what every host takes
};

// Of a connection that a peer opened, with that ISN.
Likeness likeness_of(const Connection& c, std::optional<Seq> irs);

struct Opening {
  // Where the numbers of an earlier connection of the same flow ended, which the peer may still
  // remember: this one's begin behind it.
  std::optional<Seq> beyond;
  std::optional<Likeness> like;
};

// OPEN, active. nullptr where there is no room for another connection.
Connection* open_connection(TcpTurn& turn, TcpFlow& flow, LegIndex leg, const FlowKey& key,
                            const TcpPath& path, const Opening& opening = {});

// SEND: queues bytes and returns how many there was room for; 0 when nothing more may be sent.
uint32_t send(TcpTurn& turn, Connection& c, ConstByteSpan bytes);
// The same for bytes that were promised room, whatever others took meanwhile: so many chunks of the
// pool are free. They are dropped where nothing may be sent any more.
void send_promised(TcpTurn& turn, Connection& c, ConstByteSpan bytes);
// Room that SEND has.
uint32_t send_room(const Tcp& tcp, const Connection& c);

// RECEIVE: takes bytes that have come in order. May release the connection where these were the
// last of one that is over.
struct Received {
  uint32_t bytes = 0;
  TcpEvents events;
};
Received receive(TcpTurn& turn, Connection& c, ByteSpan to);
// Whether the peer's FIN has come and everything before it was read.
inline bool at_end(const Connection& c) { return c.fin_received && c.receive_queue.empty(); }

// Moves bytes from one connection's receive buffer to another's send buffer, as many as fit beside
// `headroom` (BUF-03, BUF-05), and `limit` at most; the window of the one opens and the other
// sends. Nothing is copied. May release `from`, as receive() may.
Received push(TcpTurn& turn, Connection& from, Connection& to, uint32_t headroom,
              uint32_t limit = UINT32_MAX);

// CLOSE of the sending half: what is queued goes first, then the FIN.
TcpEvents close_sending(TcpTurn& turn, Connection& c);
// CLOSE of both halves: nobody reads any more. With bytes unread the peer is told so by a RST
// (RFC 2525 2.17).
TcpEvents close(TcpTurn& turn, Connection& c);
// ABORT.
TcpEvents abort(TcpTurn& turn, Connection& c);

void set_no_delay(TcpTurn& turn, Connection& c, bool on);
// RFC 9293 3.8.4: probes a peer that was silent for so many seconds; 0: never.
void set_keep_alive(TcpTurn& turn, Connection& c, uint16_t idle_seconds);

}  // namespace sluice
