#pragma once

#include "tcp/recovery.h"

namespace sluice {

// A loss is about to change the window: remembers what it was.
void remember_window(TcpTurn& turn, Connection& c, Sender& sender, bool from_timeout);
// Whether the acknowledgement shows that nothing had been lost: by timestamps (Eifel, RFC 3522), by
// what was sent once and is acknowledged all the same (F-RTO, RFC 5682), or by D-SACKs for all that
// was sent twice (RFC 3708). If so the window is as it was, and what was marked lost is not.
bool undo_if_spurious(TcpTurn& turn, Connection& c, Sender& sender, const TcpSegment& segment,
                      const Delivery& delivery);
void forget_undo(Tcp& tcp, Sender& sender);

}  // namespace sluice
