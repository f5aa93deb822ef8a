#pragma once

#include <optional>

#include "tcp/segment_header.h"
#include "tcp/syn_cookie.h"
#include "tcp/tcp.h"

namespace sluice {

// What a listener grants less of than it could. The peer may send at most so many KiB that nobody
// has read, for as long as `window_kib` of the connection says so (TCPX-08); 0: its share.
struct Listener {
  uint8_t window_kib = 0;
  uint8_t options = 0xff;     // of TcpFlow: no other is agreed on
  uint16_t mss = UINT16_MAX;  // no larger one is told
};

// SEGMENT ARRIVES in LISTEN (RFC 9293 3.10.7.2): a SYN makes a connection in SYN-RECEIVED, which
// has answered it. nullptr for what is no SYN, and where there is no room for another. Data of a
// SYN is not taken and not acknowledged, so it comes again (TCPX-09).
//
// `beyond` is where the numbers of an earlier connection of the same flow ended, in TIME-WAIT: ours
// begin above it (RFC 1122 4.2.2.13).
Connection* syn_arrives(TcpTurn& turn, TcpFlow& flow, LegIndex leg, const FlowKey& key,
                        const TcpPath& path, const TcpSegment& syn,
                        std::optional<Seq> beyond = std::nullopt, const Listener& listener = {});

// The same without a connection, or any other memory of the SYN: the SYN-ACK to be sent. `key` is
// that of what we send.
SegmentHeader answer_with_cookie(const TcpTurn& turn, SynCookies& cookies, const FlowKey& key,
                                 const TcpPath& path, const TcpSegment& syn,
                                 const Listener& listener = {});
// The connection in SYN-RECEIVED that there would be for such a SYN, if it had been kept: `segment`
// has its cookie, and establishes it (segment_arrives). nullptr where there is no room.
Connection* cookie_returns(TcpTurn& turn, TcpFlow& flow, LegIndex leg, const FlowKey& key,
                           const TcpPath& path, const TcpSegment& segment, const CookieTerms& terms,
                           const Listener& listener = {});

// Whether a segment for a listener asks for a connection, and nothing else.
inline bool opens_connection(const TcpSegment& segment) {
  return (segment.flags & (kTcpSyn | kTcpAck | kTcpRst | kTcpFin)) == kTcpSyn;
}

}  // namespace sluice
