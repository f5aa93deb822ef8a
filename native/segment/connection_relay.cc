// The part of Connections that moves bytes between two connections: what one received the other
// sends, ends and resets included, and no JavaScript in between (design, mode `relay`).

#include "segment/connections.h"
#include "tcp/calls.h"

namespace sluice {

// Both are held, so all that TypeScript had to say stands in the send buffers already.
void Connections::relay(TcpTurn& turn, uint32_t place, uint32_t peer, uint32_t headroom) {
  Socket& one = sockets_[place];
  Socket& other = sockets_[peer];
  if (one.peer != 0 || other.peer != 0 || place == peer) {
    counters_.raise(Counter::messages_invalid);
    return;
  }
  one.peer = peer;
  other.peer = place;
  for (Socket* each : {&one, &other}) {
    each->held = true;
    each->headroom = headroom;
    each->relayed = 0;
  }
  relay_from(turn, place);
  if (one.peer == peer) relay_from(turn, peer);
}

// Bytes that came go on as far as there is room, and then their end (BUF-01, BUF-03). Called
// whenever there may be more of either, in the pass that made it so.
void Connections::relay_from(TcpTurn& turn, uint32_t place) {
  Socket& from = sockets_[place];
  const uint32_t peer = from.peer;
  Socket& to = sockets_[peer];
  Connection* sender = connection_of(from);
  Connection* receiver = connection_of(to);
  if (sender != nullptr && receiver != nullptr) {
    const Received pushed = push(turn, *sender, *receiver, to.headroom);
    arm(*receiver);
    if (pushed.bytes > 0) {
      counters_.raise(Counter::pushes);
      counters_.raise(Counter::pushed_bytes, pushed.bytes);
      from.received += pushed.bytes;
      from.relayed += pushed.bytes;
      to.sent += pushed.bytes;
    }
    if (pushed.events.has(TcpEvents::kReleased)) {
      released(turn.now, place);
      list(place);
      sender = nullptr;
    } else {
      arm(*sender);
    }
  }
  const bool over = sender == nullptr || at_end(*sender);
  const bool in_order = sender != nullptr || from.end == StreamEnd::finished;
  if (receiver != nullptr && over && (!to.shut || !in_order)) {
    to.shut = true;
    if (!in_order) to.end = StreamEnd::aborted;
    after(turn, peer, in_order ? close_sending(turn, *receiver) : sluice::abort(turn, *receiver));
  }
  if (sender != nullptr && receiver != nullptr) return;
  unrelay(place);
  if (sender == nullptr) return;
  // Nobody is left to take what still comes; what there is to send goes first, if all was well.
  if (to.end != StreamEnd::finished) return close_socket(turn, place, true);
  if (from.shut) return;
  from.shut = true;
  after(turn, place, close_sending(turn, *sender));
}

void Connections::unrelay(uint32_t place) {
  const uint32_t peer = sockets_[place].peer;
  if (peer == 0) return;
  for (const uint32_t each : {place, peer}) {
    sockets_[each].peer = 0;
    sockets_[each].news |= Socket::kUnrelayed;
    list(each);
  }
}

}  // namespace sluice
