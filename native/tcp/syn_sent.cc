#include "tcp/syn_sent.h"

#include "tcp/life.h"
#include "tcp/output.h"

namespace sluice {

namespace {

// RFC 3168 6.1.1: the answer to a SYN that asked.
void agree_on_ecn(TcpTurn& turn, Connection& c, const TcpSegment& segment) {
  const bool asked = turn.tcp.handshakes[c.handshake].ask_ecn;
  const bool agreed = (segment.flags & (kTcpEce | kTcpCwr)) == kTcpEce;
  if (!asked || !agreed) c.flow->options &= static_cast<uint8_t>(~TcpFlow::kEcn);
}

// An old connection of the peer's has answered, in TIME-WAIT for example, and the RST ends it (RFC
// 9293 3.5.1). The SYN goes again behind it: to wait for the timer would cost a second. Once, or
// two peers would go on for ever. It was answered, so none was lost, and none is counted.
void end_earlier(TcpTurn& turn, Connection& c, Seq expected) {
  send_control(turn, c, expected, kTcpRst);
  Handshake& handshake = turn.tcp.handshakes[c.handshake];
  if (handshake.sent != 1 || handshake.ended_earlier) return;
  handshake.ended_earlier = true;
  handshake.sent = 0;
  send_syn(turn, c);
}

}  // namespace

TcpEvents syn_sent_arrives(TcpTurn& turn, Connection& c, const TcpSegment& segment) {
  TcpEvents events;
  const Handshake& handshake = turn.tcp.handshakes[c.handshake];
  const bool has_ack = segment.has(kTcpAck);
  if (has_ack && segment.ack != handshake.iss + 1) {
    if (!segment.has(kTcpRst)) end_earlier(turn, c, segment.ack);
    return events;
  }
  if (segment.has(kTcpRst)) {
    // RFC 5961 3.2: only with the right acknowledgement.
    return has_ack ? end_connection(turn.tcp, c, TcpEvents::kRefused) : events;
  }
  if (!segment.has(kTcpSyn) || segment.has(kTcpFin)) return events;
  agree_on_ecn(turn, c, segment);
  take_syn(turn, c, segment);
  if (!has_ack) {
    // Both have opened at once (RFC 9293 3.5): our SYN again, with the ACK of theirs.
    c.flow->state = ConnectionState::syn_received;
    send_syn(turn, c);
    return events;
  }
  establish(turn, c, segment);
  events.set(TcpEvents::kOpened);
  c.ack_now = true;
  output(turn, c);
  return events;
}

}  // namespace sluice
