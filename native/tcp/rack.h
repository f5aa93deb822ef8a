#pragma once

#include "tcp/tcp.h"

namespace sluice {

// RFC 8985: losses found by when segments were sent, not by how many came after.

// A record, or the part of one, has arrived at the peer (6.2, steps 1 to 3). Not for what was told
// before.
void rack_delivered(Sender& sender, const SentRecord& record, Instant now);
// Step 4: D-SACKs widen the reordering window for a while.
void rack_saw_dsack(Connection& c, Sender& sender, bool dsack);
void rack_recovered(Sender& sender);
// Step 5: marks what must be lost. Returns when the next record would count as lost if nothing of
// it is heard; Instant::never() where there is none.
Instant rack_detect(TcpTurn& turn, Connection& c, Sender& sender);

}  // namespace sluice
