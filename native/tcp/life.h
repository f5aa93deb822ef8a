#pragma once

#include "tcp/tcp.h"

namespace sluice {

// Blocks come and go with the states of a connection (MEM-06 to MEM-17).

// RFC 9293 3.7.1: a peer that offers no MSS takes this.
constexpr uint16_t default_mss(bool ipv6) { return ipv6 ? 1220 : 536; }
// A connection whose flow and path are known, with its handshake; nullptr when the pools are
// exhausted.
Connection* begin_connection(TcpTurn& turn, TcpFlow& flow, LegIndex leg, const FlowKey& key,
                             const TcpPath& path);
// Our numbers begin so far behind those of an earlier connection of the same flow that no segment
// of the one is taken for the other's (RFC 1122 4.2.2.13).
void begin_beyond(Tcp& tcp, Connection& c, Seq earlier);
// What a SYN or SYN-ACK agreed on and told (RFC 9293 3.7.1, RFC 7323 2.2 and 3.2, RFC 2018 2).
void take_syn(TcpTurn& turn, Connection& c, const TcpSegment& syn);
// Options that it told of, ECN among them: what was not offered by both is not agreed.
uint8_t options_of(const TcpSegment& syn);
// Sends the SYN, or the SYN-ACK, as the state asks, and arms its timer.
void send_syn(TcpTurn& turn, Connection& c);
// Our SYN was acknowledged: the handshake block goes, the sender's comes.
void establish(TcpTurn& turn, Connection& c, const TcpSegment& segment);
// Nothing is left to send or to be acknowledged.
void release_sender(Tcp& tcp, Connection& c);
// The connection is over in time: to TIME-WAIT or CLOSED. The block stays while there are bytes
// that the user may want to read.
TcpEvents close_in_order(Tcp& tcp, Connection& c, ConnectionState state);
// The connection is over at once, `why` being an event.
TcpEvents end_connection(Tcp& tcp, Connection& c, uint16_t why);
// Of a connection that is over in time: its last byte was read, or nobody will read it.
TcpEvents release_when_read(Tcp& tcp, Connection& c);
// Somebody else goes on with it: nothing is said, and nothing of it is left but its flow.
void release_connection(Tcp& tcp, Connection& c);

// What a connection is that others ran, and that goes on here.
struct Resumption {
  TcpFlow flow;      // ESTABLISHED
  Seq rcv_adv;       // the edge that the peer was offered
  uint32_t snd_wnd;  // from `flow.snd_nxt`, which is acknowledged
  uint32_t ts_offset;
  uint16_t snd_mss;
  uint16_t told_mss;
};
// Between two segments; muted. nullptr when the pool is exhausted.
Connection* resume_connection(TcpTurn& turn, TcpFlow& flow, LegIndex leg, bool ipv6,
                              const TcpPath& path, const Resumption& from);
// Whether the connection counts among those that share the buffers.
void set_active(Tcp& tcp, Connection& c, bool active);

}  // namespace sluice
